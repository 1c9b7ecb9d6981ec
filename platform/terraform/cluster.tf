# The control plane. Its log group is made first: EKS would otherwise make one that never expires and is not encrypted.

resource "aws_cloudwatch_log_group" "cluster" {
  #checkov:skip=CKV_AWS_338:retention is the operator's choice (log_retention_days, 30 by default); archive to S3 where a year is required
  name              = local.cluster_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.data.arn
}

data "aws_iam_policy_document" "cluster_trust" {
  statement {
    # Auto Mode tags the session with the cluster's name.
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["eks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "cluster" {
  name               = "${local.iam_prefix}-cluster"
  assume_role_policy = data.aws_iam_policy_document.cluster_trust.json
}

resource "aws_iam_role_policy_attachment" "cluster" {
  for_each = toset(concat(
    ["AmazonEKSClusterPolicy"],
    var.enable_eks_auto_mode ? ["AmazonEKSComputePolicy", "AmazonEKSBlockStoragePolicy", "AmazonEKSLoadBalancingPolicy", "AmazonEKSNetworkingPolicy"] : [],
  ))

  role       = aws_iam_role.cluster.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.value}"
}

resource "aws_eks_cluster" "this" {
  #checkov:skip=CKV_AWS_39:public access is off by default and, when asked for, limited to the ranges named; the whole internet is refused (variables-network.tf)
  #checkov:skip=CKV_AWS_339:the check's list of versions ends before those that EKS supports today; eks_cluster_version has its own validation
  name     = var.name
  version  = var.eks_cluster_version
  role_arn = aws_iam_role.cluster.arn

  # Add-ons are EKS add-ons only (addons.tf), so that their versions and settings are in one place.
  bootstrap_self_managed_addons = false

  enabled_cluster_log_types = ["api", "audit", "authenticator", "controllerManager", "scheduler"]

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = false
  }

  vpc_config {
    subnet_ids              = [for zone in local.zones : aws_subnet.control_plane[zone].id]
    security_group_ids      = [aws_security_group.control_plane.id]
    endpoint_private_access = true

    # EKS takes a missing list as 0.0.0.0/0: without ranges the public endpoint is off.
    endpoint_public_access = length(var.allowed_inbound_cidrs) > 0
    public_access_cidrs    = length(var.allowed_inbound_cidrs) > 0 ? var.allowed_inbound_cidrs : null
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = aws_kms_key.secrets.arn
    }
  }

  kubernetes_network_config {
    ip_family         = "ipv4"
    service_ipv4_cidr = local.service_cidr

    dynamic "elastic_load_balancing" {
      for_each = var.enable_eks_auto_mode ? [1] : []

      content {
        enabled = true
      }
    }
  }

  # Raised to the next version when standard support ends, instead of billed six-fold.
  upgrade_policy {
    support_type = "STANDARD"
  }

  dynamic "compute_config" {
    for_each = var.enable_eks_auto_mode ? [1] : []

    content {
      enabled       = true
      node_pools    = ["general-purpose", "system"]
      node_role_arn = aws_iam_role.karpenter_node.arn
    }
  }

  dynamic "storage_config" {
    for_each = var.enable_eks_auto_mode ? [1] : []

    content {
      block_storage {
        enabled = true
      }
    }
  }

  depends_on = [
    aws_cloudwatch_log_group.cluster,
    aws_iam_role_policy.auto_mode_tags,
    aws_iam_role_policy_attachment.cluster,
    aws_vpc_security_group_egress_rule.control_plane_to_node,
    aws_vpc_security_group_ingress_rule.control_plane_from_node,
  ]
}
