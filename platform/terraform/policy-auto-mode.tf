# Auto Mode's managed policies let it make nodes, volumes and load balancers only with EKS's own tags. Ours, by which a sweep
# and a budget find the environment, need this: the same creates, for this cluster only, with further tags allowed.

data "aws_iam_policy_document" "auto_mode_tags" {
  count = var.enable_eks_auto_mode ? 1 : 0

  statement {
    sid       = "TaggedNodes"
    actions   = ["ec2:CreateFleet", "ec2:CreateLaunchTemplate", "ec2:RunInstances"]
    resources = local.karpenter_creates

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/eks:eks-cluster-name"
      values   = [var.name]
    }

    condition {
      test     = "StringLike"
      variable = "aws:RequestTag/eks:kubernetes-node-pool-name"
      values   = ["*"]
    }
  }

  statement {
    sid       = "TaggedVolumes"
    actions   = ["ec2:CreateSnapshot", "ec2:CreateVolume"]
    resources = ["${local.ec2_any_account}:volume/*", "arn:${local.partition}:ec2:${var.region}::snapshot/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/eks:eks-cluster-name"
      values   = [var.name]
    }
  }

  statement {
    sid       = "TaggedLoadBalancers"
    actions   = ["elasticloadbalancing:CreateListener", "elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:CreateRule", "elasticloadbalancing:CreateTargetGroup"]
    resources = concat(local.elb_objects, local.elb_rules)

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/eks:eks-cluster-name"
      values   = [var.name]
    }
  }

  statement {
    sid       = "TaggedSecurityGroups"
    actions   = ["ec2:CreateSecurityGroup"]
    resources = ["${local.ec2_arn}:security-group/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/eks:eks-cluster-name"
      values   = [var.name]
    }
  }
}

resource "aws_iam_role_policy" "auto_mode_tags" {
  count = var.enable_eks_auto_mode ? 1 : 0

  name   = "auto-mode-tags"
  role   = aws_iam_role.cluster.id
  policy = data.aws_iam_policy_document.auto_mode_tags[0].json
}
