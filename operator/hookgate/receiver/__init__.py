"""The data plane: authenticates every call and hands the good ones on. Never imports the control plane nor kopf."""
