"""What the shipped manifests grant and ask for, by what kubectl renders from them."""
