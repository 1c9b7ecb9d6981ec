# A small managed node group for what must run before Karpenter can: CoreDNS, Karpenter itself, the load balancer controller,
# CSI controllers. Everything else is kept off by the taint.

data "aws_ec2_instance_type" "core" {
  for_each = var.enable_eks_auto_mode ? toset([]) : toset(var.core_node_instance_types)

  instance_type = each.value

  lifecycle {
    postcondition {
      condition     = contains(self.supported_architectures, "x86_64")
      error_message = "core_node_instance_types names ${self.instance_type}, which is not an x86 type. The add-ons on core nodes are pinned to amd64; Graviton has a pool of its own for models."
    }
  }
}

locals {
  # What cannot be changed in place is in the name and the key: another instance type makes a second group while the first is
  # drained. (create_before_destroy would do that too, but it spreads to all that the group depends on, and a security group
  # or role of a fixed name can then never be replaced.) A group that was made but not written to the state is found by name.
  core_group_name = "core-${substr(sha256(jsonencode([keys(data.aws_ec2_instance_type.core), local.zones])), 0, 8)}"
}

resource "aws_iam_role" "core_node" {
  count = var.enable_eks_auto_mode ? 0 : 1

  name               = "${local.iam_prefix}-core-node"
  assume_role_policy = data.aws_iam_policy_document.node_trust.json
}

resource "aws_iam_role_policy_attachment" "core_node" {
  for_each = var.enable_eks_auto_mode ? toset([]) : toset(local.node_policies)

  role       = aws_iam_role.core_node[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.value}"
}

resource "aws_launch_template" "core" {
  count = var.enable_eks_auto_mode ? 0 : 1

  name                   = "${var.name}-core"
  description            = "Core nodes of ${var.name}"
  update_default_version = true
  vpc_security_group_ids = [aws_security_group.node.id]

  # IMDSv2 only, one hop: a pod cannot take the node's credentials.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # Bottlerocket keeps its system on the first volume, images and logs on the second.
  dynamic "block_device_mappings" {
    for_each = { "/dev/xvda" = 4, "/dev/xvdb" = var.core_node_disk_gib }

    content {
      device_name = block_device_mappings.key

      ebs {
        volume_size           = block_device_mappings.value
        volume_type           = "gp3"
        encrypted             = true
        kms_key_id            = aws_kms_key.data.arn
        delete_on_termination = true
      }
    }
  }

  # The provider's default tags do not reach what a launch template makes.
  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume", "network-interface"])

    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = "${var.name}-core" })
    }
  }

  tags = { Name = "${var.name}-core" }
}

resource "aws_eks_node_group" "core" {
  for_each = var.enable_eks_auto_mode ? toset([]) : toset([local.core_group_name])

  cluster_name    = aws_eks_cluster.this.name
  node_group_name = each.value
  node_role_arn   = aws_iam_role.core_node[0].arn
  subnet_ids      = [for zone in local.zones : aws_subnet.node[zone].id]
  version         = aws_eks_cluster.this.version
  ami_type        = "BOTTLEROCKET_x86_64"
  capacity_type   = "ON_DEMAND"
  instance_types  = var.core_node_instance_types

  scaling_config {
    min_size     = var.core_node_count
    desired_size = var.core_node_count
    max_size     = var.core_node_max
  }

  update_config {
    max_unavailable = 1
  }

  node_repair_config {
    enabled = true
  }

  labels = {
    "slipway.dev/pool" = "core"
    "NodeGroupType"    = "core"
  }

  taint {
    key    = "CriticalAddonsOnly"
    value  = "true"
    effect = "NO_SCHEDULE"
  }

  launch_template {
    id      = aws_launch_template.core[0].id
    version = aws_launch_template.core[0].latest_version
  }

  # Nodes need a way to the control plane and the registries, and a network plugin, before they can be Ready; on the way
  # down they must be gone before any of it.
  depends_on = [
    aws_eks_addon.before_nodes,
    aws_iam_role_policy_attachment.core_node,
    aws_route.nat,
    aws_route_table_association.node,
    aws_vpc_endpoint.s3,
    aws_vpc_security_group_egress_rule.node_https,
    aws_vpc_security_group_egress_rule.node_to_node,
    aws_vpc_security_group_ingress_rule.node_from_control_plane,
    aws_vpc_security_group_ingress_rule.node_from_node,
  ]
}
