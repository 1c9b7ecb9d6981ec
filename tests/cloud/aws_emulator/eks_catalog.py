"""Versions, add-ons and access policies that the emulated EKS knows. Add-on versions follow EKS's pattern; their numbers are
made up, except that each Kubernetes version has its own, so that a raised cluster has add-ons to raise."""

VERSIONS = {
    "1.33": {"default": False},
    "1.34": {"default": False},
    "1.35": {"default": True},
    "1.36": {"default": False},
}

ADDONS = {
    "vpc-cni": {"type": "networking"},
    "kube-proxy": {"type": "networking"},
    "coredns": {"type": "networking"},
    "eks-pod-identity-agent": {"type": "security"},
    "aws-ebs-csi-driver": {"type": "storage"},
    "metrics-server": {"type": "observability"},
    "eks-node-monitoring-agent": {"type": "observability"},
    "amazon-cloudwatch-observability": {"type": "observability"},
}

ACCESS_POLICIES = (
    "AmazonEKSClusterAdminPolicy", "AmazonEKSAdminPolicy", "AmazonEKSAdminViewPolicy", "AmazonEKSEditPolicy", "AmazonEKSViewPolicy",
    "AmazonEKSAutoNodePolicy",
)


def addon_version(addon, kubernetes_version, is_default):
    minor = kubernetes_version.split(".")[1]
    if addon == "kube-proxy":
        return f"v{kubernetes_version}.{1 if is_default else 3}-eksbuild.1"
    return f"v1.{minor}.{0 if is_default else 2}-eksbuild.1"
