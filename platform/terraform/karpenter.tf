# What Karpenter needs from AWS: a role for its controller, one for its nodes, and a queue that tells it of spot interruptions,
# rebalancing, maintenance and ended instances before they hit. Under Auto Mode AWS does all of it; only the node role stays,
# as the role of Auto Mode's nodes.

data "aws_iam_policy_document" "node_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

locals {
  # Join the cluster, pull images, be reached by Session Manager instead of SSH. The network plugin has a role of its own.
  node_policies           = ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonSSMManagedInstanceCore"]
  auto_mode_node_policies = ["AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"]
}

resource "aws_iam_role" "karpenter_node" {
  name               = "${local.iam_prefix}-node"
  assume_role_policy = data.aws_iam_policy_document.node_trust.json
}

resource "aws_iam_role_policy_attachment" "karpenter_node" {
  for_each = toset(var.enable_eks_auto_mode ? local.auto_mode_node_policies : local.node_policies)

  role       = aws_iam_role.karpenter_node.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.value}"
}

resource "aws_iam_role" "karpenter_controller" {
  count = var.enable_eks_auto_mode ? 0 : 1

  name               = "${local.iam_prefix}-karpenter"
  assume_role_policy = data.aws_iam_policy_document.pod_identity_trust.json
}

resource "aws_iam_role_policy" "karpenter_controller" {
  count = var.enable_eks_auto_mode ? 0 : 1

  name   = "karpenter"
  role   = aws_iam_role.karpenter_controller[0].id
  policy = data.aws_iam_policy_document.karpenter_controller[0].json
}

# Revoking this association alone stops Karpenter: the take-down relies on that when the cluster's API is dead.
resource "aws_eks_pod_identity_association" "karpenter" {
  count = var.enable_eks_auto_mode ? 0 : 1

  cluster_name    = aws_eks_cluster.this.name
  namespace       = "karpenter"
  service_account = "karpenter"
  role_arn        = aws_iam_role.karpenter_controller[0].arn

  depends_on = [aws_iam_role_policy.karpenter_controller]
}

locals {
  interruption_queue_arn = "arn:${local.partition}:sqs:${var.region}:${local.account_id}:${var.name}-interruption"
  interruption_events = {
    spot-interruption = { source = "aws.ec2", detail_type = "EC2 Spot Instance Interruption Warning" }
    rebalance         = { source = "aws.ec2", detail_type = "EC2 Instance Rebalance Recommendation" }
    state-change      = { source = "aws.ec2", detail_type = "EC2 Instance State-change Notification" }
    health            = { source = "aws.health", detail_type = "AWS Health Event" }
    reservation       = { source = "aws.ec2", detail_type = "EC2 Capacity Reservation Instance Interruption Warning" }
  }
}

data "aws_iam_policy_document" "interruption_queue" {
  statement {
    sid       = "OurRulesSend"
    actions   = ["sqs:SendMessage"]
    resources = [local.interruption_queue_arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [for event in keys(local.interruption_events) : "arn:${local.partition}:events:${var.region}:${local.account_id}:rule/${var.name}-${event}"]
    }
  }

  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [local.interruption_queue_arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue" "interruption" {
  count = var.enable_eks_auto_mode ? 0 : 1

  name                      = "${var.name}-interruption"
  message_retention_seconds = 300
  sqs_managed_sse_enabled   = true
  policy                    = data.aws_iam_policy_document.interruption_queue.json
}

resource "aws_cloudwatch_event_rule" "interruption" {
  for_each = var.enable_eks_auto_mode ? {} : local.interruption_events

  name        = "${var.name}-${each.key}"
  description = "${each.value.detail_type} for Karpenter in ${var.name}"
  event_pattern = jsonencode({
    source        = [each.value.source]
    "detail-type" = [each.value.detail_type]
  })
}

resource "aws_cloudwatch_event_target" "interruption" {
  for_each = aws_cloudwatch_event_rule.interruption

  rule      = each.value.name
  target_id = "karpenter"
  arn       = aws_sqs_queue.interruption[0].arn
}
