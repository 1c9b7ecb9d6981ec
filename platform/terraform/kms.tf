# Two keys with yearly rotation. `secrets` wraps Kubernetes Secrets and the Hugging Face token; `data` encrypts volumes, logs,
# images and models. Losing access to one does not open the other. A key lives on for 7 days after its deletion was asked for:
# that is the shortest period AWS allows.

locals {
  cluster_log_group = "/aws/eks/${var.name}/cluster"
  flow_log_group    = "/aws/vpc-flow-logs/${var.name}"
  log_group_arn     = "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group"

  autoscaling_role_arn = "arn:${local.partition}:iam::${local.account_id}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"

  # Roles that make encrypted volumes: EC2 takes a grant on the key in their name.
  volume_roles = var.enable_eks_auto_mode ? [aws_iam_role.cluster.arn] : [aws_iam_role.karpenter_controller[0].arn, aws_iam_role.component["ebs-csi"].arn]
}

data "aws_iam_policy_document" "key_administration" {
  #checkov:skip=CKV_AWS_109:a key policy names its own key by "*"; the statement lets the account's IAM policies govern the key, without which it could be locked for ever
  #checkov:skip=CKV_AWS_111:as above, in a key policy "*" is this key
  #checkov:skip=CKV_AWS_356:as above, in a key policy "*" is this key
  statement {
    sid       = "AccountPoliciesGovernTheKey"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }

  dynamic "statement" {
    for_each = length(var.kms_key_admin_roles) > 0 ? [1] : []

    content {
      sid = "KeyAdministrators"
      actions = [
        "kms:CancelKeyDeletion", "kms:Create*", "kms:Delete*", "kms:Describe*", "kms:Disable*", "kms:Enable*", "kms:Get*",
        "kms:List*", "kms:Put*", "kms:Revoke*", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:Update*",
      ]
      resources = ["*"]

      principals {
        type        = "AWS"
        identifiers = var.kms_key_admin_roles
      }
    }
  }
}

data "aws_iam_policy_document" "data_key" {
  #checkov:skip=CKV_AWS_109:in a key policy "*" is this key
  #checkov:skip=CKV_AWS_111:in a key policy "*" is this key
  #checkov:skip=CKV_AWS_356:in a key policy "*" is this key
  #checkov:skip=CKV_AWS_283:the principal is narrowed to one service-linked role of this account; see AutoScalingVolumes
  source_policy_documents = [data.aws_iam_policy_document.key_administration.json]

  statement {
    sid       = "CloudWatchLogs"
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.${local.dns_suffix}"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["${local.log_group_arn}:${local.cluster_log_group}", "${local.log_group_arn}:${local.flow_log_group}"]
    }
  }

  # The core nodes' volumes are made by Auto Scaling's service-linked role. A fresh account does not have that role before
  # its first group, and a key policy may not name a principal that does not exist; a condition may.
  statement {
    sid       = "AutoScalingVolumes"
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:CallerAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:PrincipalArn"
      values   = [local.autoscaling_role_arn]
    }
  }

  statement {
    sid       = "AutoScalingVolumeGrants"
    actions   = ["kms:CreateGrant"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:CallerAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:PrincipalArn"
      values   = [local.autoscaling_role_arn]
    }

    condition {
      test     = "Bool"
      variable = "kms:GrantIsForAWSResource"
      values   = ["true"]
    }
  }

  statement {
    sid       = "Volumes"
    actions   = ["kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = local.volume_roles
    }
  }

  statement {
    sid       = "VolumeGrants"
    actions   = ["kms:CreateGrant"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = local.volume_roles
    }

    condition {
      test     = "Bool"
      variable = "kms:GrantIsForAWSResource"
      values   = ["true"]
    }
  }
}

resource "aws_kms_key" "secrets" {
  description             = "${var.name}: Kubernetes Secrets and the Hugging Face token"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.key_administration.json

  tags = { Name = "${var.name}-secrets" }
}

resource "aws_kms_alias" "secrets" {
  name          = "alias/slipway/${var.name}/secrets"
  target_key_id = aws_kms_key.secrets.key_id
}

resource "aws_kms_key" "data" {
  description             = "${var.name}: volumes, logs, images, models"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.data_key.json

  tags = { Name = "${var.name}-data" }
}

resource "aws_kms_alias" "data" {
  name          = "alias/slipway/${var.name}/data"
  target_key_id = aws_kms_key.data.key_id
}
