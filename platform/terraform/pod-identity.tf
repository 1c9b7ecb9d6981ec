# One table: which component runs as which service account, with which permissions. Each gets a role of its own that only the
# Pod Identity agent of this cluster can hand out.

locals {
  # component -> service account and either a policy document of ours or a managed policy of AWS for its own add-on.
  pod_identities = merge(
    # The EBS driver is EKS's add-on or Slipway's chart, and needs the same role either way.
    var.enable_eks_auto_mode ? {} : {
      vpc-cni = { namespace = "kube-system", service_account = "aws-node", managed_policy = "AmazonEKS_CNI_Policy" }
      ebs-csi = { namespace = "kube-system", service_account = "ebs-csi-controller-sa", managed_policy = "service-role/AmazonEBSCSIDriverPolicy" }
    },
    !var.enable_eks_auto_mode && var.enable_aws_load_balancer_controller ? {
      lb-controller = { namespace = "kube-system", service_account = "aws-load-balancer-controller", managed_policy = null }
    } : {},
    contains(local.addons, "amazon-cloudwatch-observability") ? {
      cloudwatch = { namespace = "amazon-cloudwatch", service_account = "cloudwatch-agent", managed_policy = "CloudWatchAgentServerPolicy" }
    } : {},
    var.enable_s3_models_storage ? {
      models-sync      = { namespace = var.s3_models_sync_sa_namespace, service_account = var.s3_models_sync_sa, managed_policy = null }
      models-inference = { namespace = var.s3_models_inference_sa_namespace, service_account = var.s3_models_inference_sa, managed_policy = null }
    } : {},
  )

  component_policies = merge(
    contains(keys(local.pod_identities), "lb-controller") ? { lb-controller = data.aws_iam_policy_document.load_balancer_controller.json } : {},
    var.enable_s3_models_storage ? {
      models-sync      = data.aws_iam_policy_document.models_sync[0].json
      models-inference = data.aws_iam_policy_document.models_inference[0].json
    } : {},
  )
}

data "aws_iam_policy_document" "pod_identity_trust" {
  statement {
    # The agent tags the session with cluster, namespace and service account.
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:eks:${var.region}:${local.account_id}:cluster/${var.name}"]
    }
  }
}

resource "aws_iam_role" "component" {
  for_each = local.pod_identities

  name               = "${local.iam_prefix}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.pod_identity_trust.json
}

resource "aws_iam_role_policy_attachment" "component" {
  for_each = { for component, identity in local.pod_identities : component => identity.managed_policy if identity.managed_policy != null }

  role       = aws_iam_role.component[each.key].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.value}"
}

resource "aws_iam_role_policy" "component" {
  for_each = local.component_policies

  name   = each.key
  role   = aws_iam_role.component[each.key].id
  policy = each.value
}

resource "aws_eks_pod_identity_association" "component" {
  for_each = local.pod_identities

  cluster_name    = aws_eks_cluster.this.name
  namespace       = each.value.namespace
  service_account = each.value.service_account
  role_arn        = aws_iam_role.component[each.key].arn

  depends_on = [aws_iam_role_policy.component, aws_iam_role_policy_attachment.component]
}
