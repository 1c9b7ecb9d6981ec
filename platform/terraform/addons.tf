# EKS add-ons. The network plugin, kube-proxy and the Pod Identity agent come before nodes, since a node is not Ready without
# them; CoreDNS and the rest come after, since they need a node to run on. Versions are those that EKS recommends for the
# cluster's version, so that a raised cluster raises them in the same apply: the first ones before its nodes, the rest after.

locals {
  addon_defaults = {
    vpc-cni                         = true
    kube-proxy                      = true
    eks-pod-identity-agent          = true
    coredns                         = true
    aws-ebs-csi-driver              = false
    metrics-server                  = false
    eks-node-monitoring-agent       = false
    amazon-cloudwatch-observability = false
  }

  # Auto Mode's nodes carry their own network, DNS, storage, identity and health agents.
  addon_choices = var.enable_eks_auto_mode ? {
    for addon in ["metrics-server", "amazon-cloudwatch-observability"] : addon => lookup(var.enable_cluster_addons, addon, local.addon_defaults[addon])
  } : merge(local.addon_defaults, var.enable_cluster_addons)

  addons              = toset([for addon, wanted in local.addon_choices : addon if wanted])
  addons_before_nodes = setintersection(local.addons, ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"])
  addons_after_nodes  = setsubtract(local.addons, local.addons_before_nodes)

  vpc_cni_defaults = {
    # Without the policy agent a NetworkPolicy is accepted and never enforced.
    enableNetworkPolicy = "true"
    env = {
      ENABLE_PREFIX_DELEGATION = "true"
      WARM_PREFIX_TARGET       = "1"
    }
  }

  addon_configuration = {
    vpc-cni = merge(local.vpc_cni_defaults, var.vpc_cni_configuration, {
      env = merge(local.vpc_cni_defaults.env, try(var.vpc_cni_configuration.env, {}))
    })

    # A sweep finds the volumes of claims by these tags.
    aws-ebs-csi-driver = {
      controller = {
        extraVolumeTags = local.tags
        k8sTagClusterId = var.name
      }
    }
  }
}

data "aws_eks_addon_version" "this" {
  for_each = local.addons

  addon_name         = each.value
  kubernetes_version = aws_eks_cluster.this.version
}

resource "aws_eks_addon" "before_nodes" {
  for_each = local.addons_before_nodes

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.value
  addon_version               = data.aws_eks_addon_version.this[each.value].version
  configuration_values        = contains(keys(local.addon_configuration), each.value) ? jsonencode(local.addon_configuration[each.value]) : null
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  depends_on = [aws_eks_pod_identity_association.component]
}

resource "aws_eks_addon" "after_nodes" {
  for_each = local.addons_after_nodes

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.value
  addon_version               = data.aws_eks_addon_version.this[each.value].version
  configuration_values        = contains(keys(local.addon_configuration), each.value) ? jsonencode(local.addon_configuration[each.value]) : null
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  depends_on = [aws_eks_node_group.core, aws_eks_pod_identity_association.component]
}
