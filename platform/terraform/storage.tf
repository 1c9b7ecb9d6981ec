# Model weights in S3 and images in ECR, each only when asked for. Both can be made again from their sources, so they go
# with the environment, contents included.

locals {
  create_models_bucket = var.enable_s3_models_storage && var.s3_models_bucket_create
}

resource "aws_s3_bucket" "models" {
  #checkov:skip=CKV_AWS_18:access to public model weights is in CloudTrail data events where it is wanted; a log bucket would outlive the environment
  #checkov:skip=CKV_AWS_144:weights are downloaded again from their source; a second region would double their cost
  #checkov:skip=CKV2_AWS_62:nothing reacts to a new object
  count = local.create_models_bucket ? 1 : 0

  bucket        = local.models_bucket
  force_destroy = true

  tags = { Name = local.models_bucket }
}

resource "aws_s3_bucket_public_access_block" "models" {
  count = local.create_models_bucket ? 1 : 0

  bucket                  = aws_s3_bucket.models[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "models" {
  count = local.create_models_bucket ? 1 : 0

  bucket = aws_s3_bucket.models[0].id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.data.arn
    }
  }
}

resource "aws_s3_bucket_versioning" "models" {
  count = local.create_models_bucket ? 1 : 0

  bucket = aws_s3_bucket.models[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

# An overwritten model can be brought back for a week; half uploads do not add up.
resource "aws_s3_bucket_lifecycle_configuration" "models" {
  count = local.create_models_bucket ? 1 : 0

  bucket = aws_s3_bucket.models[0].id

  rule {
    id     = "old-versions-and-half-uploads"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 7
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.models]
}

data "aws_iam_policy_document" "models_bucket" {
  count = local.create_models_bucket ? 1 : 0

  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.models_bucket_arn, "${local.models_bucket_arn}/*"]

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

resource "aws_s3_bucket_policy" "models" {
  count = local.create_models_bucket ? 1 : 0

  bucket = aws_s3_bucket.models[0].id
  policy = data.aws_iam_policy_document.models_bucket[0].json

  depends_on = [aws_s3_bucket_public_access_block.models]
}

resource "aws_ecr_repository" "this" {
  count = var.enable_ecr_repository ? 1 : 0

  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.data.arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  count = var.enable_ecr_repository ? 1 : 0

  repository = aws_ecr_repository.this[0].name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Images without a tag are gone after two weeks"
      selection = {
        tagStatus   = "untagged"
        countType   = "sinceImagePushed"
        countUnit   = "days"
        countNumber = 14
      }
      action = { type = "expire" }
    }]
  })
}
