# Who reaches the cluster: access entries only, no aws-auth, no implicit creator. The role that applies this gets an explicit
# entry (output caller_role_arn), since without one it could not go on to install anything.

locals {
  access_policies = {
    cluster-admin = "AmazonEKSClusterAdminPolicy"
    admin         = "AmazonEKSAdminPolicy"
    edit          = "AmazonEKSEditPolicy"
    view          = "AmazonEKSViewPolicy"
    admin-view    = "AmazonEKSAdminViewPolicy"
  }
  access_policy_arn = "arn:${local.partition}:eks::aws:cluster-access-policy"

  # The caller stays cluster admin even if the map names it too.
  other_access = { for arn, entry in var.access : arn => entry if arn != local.caller_arn }
}

resource "aws_eks_access_entry" "caller" {
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = local.caller_arn

  lifecycle {
    precondition {
      condition     = !endswith(local.caller_arn, ":root")
      error_message = "The account's root user applies this, and EKS gives root no access entry. Use an IAM role: aws sts assume-role, or a profile of IAM Identity Center."
    }
  }
}

resource "aws_eks_access_policy_association" "caller" {
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_eks_access_entry.caller.principal_arn
  policy_arn    = "${local.access_policy_arn}/AmazonEKSClusterAdminPolicy"

  access_scope {
    type = "cluster"
  }
}

resource "aws_eks_access_entry" "granted" {
  for_each = local.other_access

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.key
}

resource "aws_eks_access_policy_association" "granted" {
  for_each = local.other_access

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_eks_access_entry.granted[each.key].principal_arn
  policy_arn    = "${local.access_policy_arn}/${local.access_policies[each.value.policy]}"

  access_scope {
    type       = length(each.value.namespaces) > 0 ? "namespace" : "cluster"
    namespaces = length(each.value.namespaces) > 0 ? each.value.namespaces : null
  }
}

# Karpenter's nodes join by this one. Managed node groups and Auto Mode make the entries of their node roles themselves; a
# second one would be refused.
resource "aws_eks_access_entry" "karpenter_node" {
  count = var.enable_eks_auto_mode ? 0 : 1

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_iam_role.karpenter_node.arn
  type          = "EC2_LINUX"
}
