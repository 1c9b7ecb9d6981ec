# Names, tags and the arithmetic of the address plan.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# Who applies this, as the role behind the session: access entries name roles, never sessions.
data "aws_iam_session_context" "caller" {
  arn = data.aws_caller_identity.current.arn
}

# Without a filter on their state: a zone that is impaired for an hour must not move every subnet to another one.
data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:only the first availability_zones_count names in order are used; a zone that AWS adds sorts behind them
  # Local and wavelength zones take no control plane and no NAT gateway.
  filter {
    name   = "zone-type"
    values = ["availability-zone"]
  }

  # EKS cannot place its control plane in these zones.
  exclude_zone_ids = ["use1-az3", "usw1-az2", "cac1-az3"]

  lifecycle {
    postcondition {
      condition     = length(self.names) >= var.availability_zones_count
      error_message = "availability_zones_count is ${var.availability_zones_count}, but ${var.region} offers EKS ${length(self.names)}: ${join(", ", self.names)}. Set availability_zones_count = ${max(2, length(self.names))} or choose another region."
    }
  }
}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  dns_suffix = data.aws_partition.current.dns_suffix
  caller_arn = data.aws_iam_session_context.caller.issuer_arn

  # IAM is global: two environments of one name in two regions must not share a role.
  iam_prefix = "${var.name}-${var.region}"

  # What a sweep and a budget find the environment by.
  environment_tags = {
    "slipway.dev/environment" = var.name
    "slipway.dev/managed-by"  = "slipway"
  }
  tags = merge(var.tags, local.environment_tags)

  zones = slice(sort(data.aws_availability_zones.available.names), 0, var.availability_zones_count)
}

# The address plan: public, private and control-plane subnets one after the other in the VPC's own range; nodes and pods in
# the secondary ranges.
locals {
  service_cidr = "172.20.0.0/16"

  vpc_prefix = try(tonumber(split("/", var.vpc_cidr)[1]), 16)
  primary_newbits = concat(
    [for zone in range(var.availability_zones_count) : var.public_subnets_cidr_prefix - local.vpc_prefix],
    [for zone in range(var.availability_zones_count) : var.private_subnets_cidr_prefix - local.vpc_prefix],
    [for zone in range(var.availability_zones_count) : var.control_plane_subnets_cidr_prefix - local.vpc_prefix],
  )
  primary_subnets      = cidrsubnets(var.vpc_cidr, local.primary_newbits...)
  public_cidrs         = slice(local.primary_subnets, 0, var.availability_zones_count)
  private_cidrs        = slice(local.primary_subnets, var.availability_zones_count, 2 * var.availability_zones_count)
  control_plane_cidrs  = slice(local.primary_subnets, 2 * var.availability_zones_count, 3 * var.availability_zones_count)
  secondary_block_bits = var.availability_zones_count <= 2 * length(var.secondary_cidr_blocks) ? 1 : var.availability_zones_count <= 4 * length(var.secondary_cidr_blocks) ? 2 : 3

  # Only the blocks that the zones need are attached to the VPC.
  secondary_blocks = slice(var.secondary_cidr_blocks, 0, ceil(var.availability_zones_count / pow(2, local.secondary_block_bits)))
  node_cidrs = slice(flatten([
    for block in local.secondary_blocks : [for part in range(pow(2, local.secondary_block_bits)) : cidrsubnet(block, local.secondary_block_bits, part)]
  ]), 0, var.availability_zones_count)
}
