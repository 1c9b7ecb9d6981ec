# Two groups with enumerated ports: `control_plane` on the API server's interfaces, beside the group that EKS makes itself,
# and `node` on every node. Each may only speak to the other, nodes to each other, and nodes out by HTTPS. A third one, for
# EFA, must allow everything between its members: the fabric knows no ports.

locals {
  # Where the API server calls into the cluster: kubelet and metrics-server (10250, 10251), admission and conversion webhooks.
  control_plane_to_node_ports = {
    https              = 443
    metrics            = 4443
    webhook-alternate  = 6443
    webhook-https      = 8443
    webhook-kubebuild  = 9443
    kubelet            = 10250
    metrics-server-eks = 10251
  }

  # Pod to pod: names, and every port an unprivileged process can listen on. Network policies narrow it per namespace.
  node_to_node_ports = {
    dns-tcp  = { protocol = "tcp", from = 53, to = 53 }
    dns-udp  = { protocol = "udp", from = 53, to = 53 }
    pods-tcp = { protocol = "tcp", from = 1024, to = 65535 }
  }
}

resource "aws_security_group" "control_plane" {
  name        = "${var.name}-control-plane"
  description = "The API server's interfaces in the VPC"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-control-plane" }
}

resource "aws_vpc_security_group_ingress_rule" "control_plane_from_node" {
  security_group_id            = aws_security_group.control_plane.id
  description                  = "Nodes and pods to the Kubernetes API"
  referenced_security_group_id = aws_security_group.node.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "control_plane_to_node" {
  for_each = local.control_plane_to_node_ports

  security_group_id            = aws_security_group.control_plane.id
  description                  = "API server to ${each.key}"
  referenced_security_group_id = aws_security_group.node.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_security_group" "node" {
  #checkov:skip=CKV2_AWS_5:attached by the core nodes' launch template and by the NodeClasses of Karpenter and Auto Mode
  name        = "${var.name}-node"
  description = "Nodes and their pods"
  vpc_id      = aws_vpc.this.id

  # The load balancer controller looks for exactly one group with this cluster tag on each interface.
  tags = {
    Name                                = "${var.name}-node"
    "karpenter.sh/discovery"            = var.name
    "kubernetes.io/cluster/${var.name}" = "owned"
  }
}

resource "aws_vpc_security_group_ingress_rule" "node_from_control_plane" {
  for_each = local.control_plane_to_node_ports

  security_group_id            = aws_security_group.node.id
  description                  = "API server to ${each.key}"
  referenced_security_group_id = aws_security_group.control_plane.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_vpc_security_group_ingress_rule" "node_from_node" {
  #checkov:skip=CKV_AWS_25:the source is the group itself, not a range of addresses
  for_each = local.node_to_node_ports

  security_group_id            = aws_security_group.node.id
  description                  = "Node to node: ${each.key}"
  referenced_security_group_id = aws_security_group.node.id
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.from
  to_port                      = each.value.to
}

resource "aws_vpc_security_group_egress_rule" "node_to_node" {
  for_each = local.node_to_node_ports

  security_group_id            = aws_security_group.node.id
  description                  = "Node to node: ${each.key}"
  referenced_security_group_id = aws_security_group.node.id
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.from
  to_port                      = each.value.to
}

# The Kubernetes API, AWS APIs, image registries, model hubs. DNS, time and instance metadata do not pass security groups.
resource "aws_vpc_security_group_egress_rule" "node_https" {
  security_group_id = aws_security_group.node.id
  description       = "HTTPS to AWS, registries and model hubs"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Only the EFA pool's nodes carry this one, beside `node`; it has no cluster tag.
resource "aws_security_group" "efa" {
  #checkov:skip=CKV2_AWS_5:attached by Karpenter to the nodes of the EFA pool
  count = var.enable_eks_auto_mode ? 0 : 1

  name        = "${var.name}-efa"
  description = "EFA traffic among its members"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-efa" }
}

resource "aws_vpc_security_group_ingress_rule" "efa" {
  count = var.enable_eks_auto_mode ? 0 : 1

  security_group_id            = aws_security_group.efa[0].id
  description                  = "EFA from its members"
  referenced_security_group_id = aws_security_group.efa[0].id
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_egress_rule" "efa" {
  count = var.enable_eks_auto_mode ? 0 : 1

  security_group_id            = aws_security_group.efa[0].id
  description                  = "EFA to its members"
  referenced_security_group_id = aws_security_group.efa[0].id
  ip_protocol                  = "-1"
}
