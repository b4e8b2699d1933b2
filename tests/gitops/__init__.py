"""What GitOps tools conclude from the objects that Hookgate writes."""
