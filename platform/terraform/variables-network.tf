# The network's variables. Two ranges that overlap, or a range that is too small for what is cut from it, are refused here,
# with numbers, before AWS is asked for anything.

variable "availability_zones_count" {
  description = "Over how many availability zones the environment spreads. More zones find more GPU capacity."
  type        = number
  default     = 4

  validation {
    condition     = contains([2, 3, 4, 5, 6], var.availability_zones_count)
    error_message = "availability_zones_count must be 2 to 6: EKS asks for at least two zones."
  }
}

variable "vpc_cidr" {
  description = "The VPC's own range: public, private and control-plane subnets. /16 to /24."
  type        = string
  default     = "10.0.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && can(regex("/(1[6-9]|2[0-4])$", var.vpc_cidr))
    error_message = "vpc_cidr must be an IPv4 range from /16 to /24, such as 10.0.0.0/16."
  }

  validation {
    condition     = !can(cidrnetmask(var.vpc_cidr)) || cidrhost(var.vpc_cidr, 0) == split("/", var.vpc_cidr)[0]
    error_message = "vpc_cidr ${var.vpc_cidr} has bits set behind its prefix; the range it lies in starts at ${try(cidrhost(var.vpc_cidr, 0), "?")}."
  }

  validation {
    # A variable may not be checked through a local that reads it, so the plan of locals.tf is tried here once more.
    condition = !can(cidrnetmask(var.vpc_cidr)) || can(cidrsubnets(var.vpc_cidr, flatten([
      for prefix in [var.public_subnets_cidr_prefix, var.private_subnets_cidr_prefix, var.control_plane_subnets_cidr_prefix] : [
        for zone in range(var.availability_zones_count) : prefix - split("/", var.vpc_cidr)[1]
      ]
    ])...))
    error_message = "vpc_cidr ${var.vpc_cidr} is too small for ${var.availability_zones_count} zones of a /${var.public_subnets_cidr_prefix} public, a /${var.private_subnets_cidr_prefix} private and a /${var.control_plane_subnets_cidr_prefix} control-plane subnet each. Take a larger vpc_cidr (10.0.0.0/16) or longer subnet prefixes."
  }
}

variable "secondary_cidr_blocks" {
  description = "Ranges for nodes and pods, each /16 to /20. 100.64.0.0/10 is shared address space: it costs no address of a company network. As many are used as the zones need, two zones a block when there are enough blocks."
  type        = list(string)
  default     = ["100.64.0.0/16", "100.65.0.0/16", "100.66.0.0/16", "100.67.0.0/16"]

  validation {
    condition     = length(var.secondary_cidr_blocks) >= 1 && length(var.secondary_cidr_blocks) <= 4
    error_message = "secondary_cidr_blocks needs 1 to 4 ranges: a VPC takes four beside its own."
  }

  validation {
    condition = alltrue([
      for block in var.secondary_cidr_blocks : can(cidrnetmask(block)) && can(regex("/(1[6-9]|20)$", block)) && try(cidrhost(block, 0) == split("/", block)[0], false)
    ])
    error_message = "Each of secondary_cidr_blocks must be an IPv4 range from /16 to /20 without bits behind its prefix, such as 100.64.0.0/16."
  }

  # Two ranges overlap exactly when they are the same network at the shorter of their prefixes.
  validation {
    condition = alltrue(flatten([
      for i, a in concat([local.service_cidr, var.vpc_cidr], var.secondary_cidr_blocks) : [
        for j, b in concat([local.service_cidr, var.vpc_cidr], var.secondary_cidr_blocks) : i >= j || try(
          cidrhost("${split("/", a)[0]}/${min(split("/", a)[1], split("/", b)[1])}", 0) !=
          cidrhost("${split("/", b)[0]}/${min(split("/", a)[1], split("/", b)[1])}", 0), true
        )
      ]
    ]))
    error_message = "Two of these ranges overlap: vpc_cidr ${var.vpc_cidr}, secondary_cidr_blocks ${join(", ", var.secondary_cidr_blocks)}, the cluster's Service range ${local.service_cidr}. Choose ranges that share no address."
  }
}

variable "private_subnets_cidr_prefix" {
  description = "Prefix length of each private subnet (internal load balancers, interface endpoints)."
  type        = number
  default     = 24

  validation {
    condition     = var.private_subnets_cidr_prefix >= 17 && var.private_subnets_cidr_prefix <= 28
    error_message = "private_subnets_cidr_prefix must be 17 to 28."
  }
}

variable "public_subnets_cidr_prefix" {
  description = "Prefix length of each public subnet (NAT gateways, public load balancers)."
  type        = number
  default     = 24

  validation {
    condition     = var.public_subnets_cidr_prefix >= 17 && var.public_subnets_cidr_prefix <= 28
    error_message = "public_subnets_cidr_prefix must be 17 to 28."
  }
}

variable "control_plane_subnets_cidr_prefix" {
  description = "Prefix length of each control-plane subnet (the API server's interfaces; EKS advises 16 free addresses)."
  type        = number
  default     = 26

  validation {
    condition     = var.control_plane_subnets_cidr_prefix >= 17 && var.control_plane_subnets_cidr_prefix <= 27
    error_message = "control_plane_subnets_cidr_prefix must be 17 to 27: EKS advises at least 16 free addresses a subnet."
  }
}

variable "single_nat_gateway" {
  description = "true: one NAT gateway for all zones (cheap; its zone's loss cuts every node off). false: one in each zone."
  type        = bool
  default     = true
}

variable "allowed_inbound_cidrs" {
  description = "IPv4 ranges that reach the API endpoint over the internet. Empty: the endpoint is private."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.allowed_inbound_cidrs : can(cidrnetmask(cidr))])
    error_message = "allowed_inbound_cidrs takes IPv4 ranges such as 203.0.113.7/32."
  }

  validation {
    condition     = var.accept_open_endpoint || !anytrue([for cidr in var.allowed_inbound_cidrs : endswith(cidr, "/0")])
    error_message = "allowed_inbound_cidrs opens the Kubernetes API to the whole internet. Name your own range (203.0.113.7/32), leave it empty for a private endpoint, or set accept_open_endpoint = true if that is really meant."
  }
}

variable "accept_open_endpoint" {
  description = "Says that an API endpoint reachable from the whole internet is meant."
  type        = bool
  default     = false
}

variable "interface_endpoints" {
  description = "AWS services reached through interface endpoints instead of NAT (ecr.api, ecr.dkr, sts, ...), each about 7.30 $ a month and zone. They do not serve public.ecr.aws. The S3 gateway endpoint is free and always there."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)*$", service)) && service != "s3"])
    error_message = "interface_endpoints takes service names without a region, such as ecr.api, ecr.dkr, sts, logs, eks-auth. S3 has its free gateway endpoint already."
  }
}
