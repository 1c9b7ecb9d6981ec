# Who may do what with model weights: the sync job writes the environment's bucket, model servers only read.

locals {
  models_bucket      = var.enable_s3_models_storage ? (var.s3_models_bucket_name != "" ? var.s3_models_bucket_name : "${var.name}-models-${local.account_id}-${var.region}") : null
  models_bucket_arn  = var.enable_s3_models_storage ? "arn:${local.partition}:s3:::${local.models_bucket}" : null
  models_read_arns   = concat(compact([local.models_bucket_arn]), [for bucket in var.s3_models_additional_buckets : "arn:${local.partition}:s3:::${bucket}"])
  models_object_arns = [for arn in local.models_read_arns : "${arn}/*"]
}

data "aws_iam_policy_document" "models_inference" {
  count = var.enable_s3_models_storage ? 1 : 0

  statement {
    sid       = "ListModels"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = local.models_read_arns
  }

  statement {
    sid       = "ReadModels"
    actions   = ["s3:GetObject", "s3:GetObjectTagging"]
    resources = local.models_object_arns
  }

  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.data.arn]
  }
}

data "aws_iam_policy_document" "models_sync" {
  count = var.enable_s3_models_storage ? 1 : 0

  source_policy_documents = [data.aws_iam_policy_document.models_inference[0].json]

  statement {
    sid       = "WriteModels"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
    resources = ["${local.models_bucket_arn}/*"]
  }

  statement {
    sid       = "Encrypt"
    actions   = ["kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
  }
}
