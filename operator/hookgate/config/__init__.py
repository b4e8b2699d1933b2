"""What the platform allows: hookgate.yaml and the contract of WebhookEndpoint, parsed and checked.

Pure, apart from reading the schema files that ship with the package.
"""
