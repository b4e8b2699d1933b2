"""The control plane: from a WebhookEndpoint to its Secrets, binding, route and status. Never imports the receiver."""
