# The S3 backend's own lock file (use_lockfile) is stable since Terraform 1.11; 1.x promises to read what 1.11 wrote. The
# provider is pinned exactly, and .terraform.lock.hcl pins its checksums.
#
# There is no backend here: by hand the state is local. Slipway writes a backend_override.tf beside these files when the
# blueprint asks for state in S3, because the bucket must outlive everything that this folder makes.
terraform {
  required_version = ">= 1.11.4, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "= 5.100.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}
