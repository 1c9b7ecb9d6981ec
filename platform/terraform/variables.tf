# What an environment can be asked for. The names are the blueprint's: one file serves `slipway -f` and `terraform -var-file`.
# Network variables are in variables-network.tf.

variable "name" {
  description = "Name of the environment and of its EKS cluster; every resource carries it."
  type        = string

  validation {
    # The longest name made from it, an S3 bucket, is "<name>-models-<account>-<region>": 63 characters at most.
    condition     = can(regex("^[a-z][a-z0-9-]{0,26}[a-z0-9]$", var.name))
    error_message = "name must be 2 to 28 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen: bucket and role names are made from it."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "us-west-2"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like us-west-2."
  }
}

variable "eks_cluster_version" {
  description = "Kubernetes minor version. The default is the newest one whose standard support was published when this file was written (until 2027-03-27); 1.34 leaves it on 2026-12-02."
  type        = string
  default     = "1.35"

  validation {
    condition     = can(regex("^1\\.(2[89]|[3-9][0-9])$", var.eks_cluster_version))
    error_message = "eks_cluster_version must be a minor version that EKS runs, as text and without a patch: \"1.35\". See: aws eks describe-cluster-versions."
  }
}

variable "enable_eks_auto_mode" {
  description = "EKS Auto Mode: AWS runs the nodes, the network add-ons, the load balancer controller and the EBS driver, for a fee on each instance. No core node group and no Karpenter of ours then."
  type        = bool
  default     = false
}

variable "enable_cluster_addons" {
  description = "EKS add-ons by name. Those not named here keep the default. Auto Mode brings its own network, DNS, storage and monitoring add-ons; their entries are then ignored."
  type        = map(bool)
  default     = {}

  validation {
    condition     = alltrue([for addon in keys(var.enable_cluster_addons) : contains(keys(local.addon_defaults), addon)])
    error_message = "enable_cluster_addons knows: ${join(", ", keys(local.addon_defaults))}. Unknown: ${join(", ", setsubtract(keys(var.enable_cluster_addons), keys(local.addon_defaults)))}."
  }

  validation {
    condition = var.enable_eks_auto_mode || alltrue([
      for addon in ["vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent"] : lookup(var.enable_cluster_addons, addon, true)
    ])
    error_message = "vpc-cni, kube-proxy, coredns and eks-pod-identity-agent cannot be false: without the first three no pod gets an address or a name, without the agent no component gets its AWS role. Set them to true, or set enable_eks_auto_mode = true."
  }
}

variable "vpc_cni_configuration" {
  description = "Settings of the vpc-cni add-on, laid over ours (network policy on, prefixes instead of single addresses)."
  type        = any
  default     = {}
}

variable "kms_key_admin_roles" {
  description = "ARNs of IAM roles that may administer the KMS keys, beside the account's own IAM policies."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.kms_key_admin_roles : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", arn))])
    error_message = "kms_key_admin_roles takes ARNs of IAM roles: arn:aws:iam::<account>:role/<name>."
  }
}

variable "access" {
  description = "Who else reaches the cluster: IAM role (or user) ARN to an access policy, for the whole cluster or for some namespaces. The role that applies this is cluster admin already."
  type = map(object({
    policy     = string
    namespaces = optional(list(string), [])
  }))
  default = {}

  validation {
    condition     = alltrue([for arn in keys(var.access) : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$", arn))])
    error_message = "The keys of access are ARNs of IAM roles or users (arn:aws:iam::<account>:role/<name>), not of assumed-role sessions."
  }

  validation {
    condition     = alltrue([for entry in values(var.access) : contains(keys(local.access_policies), entry.policy)])
    error_message = "policy in access must be one of: ${join(", ", keys(local.access_policies))}."
  }

  validation {
    condition     = alltrue([for entry in values(var.access) : entry.policy != "cluster-admin" || length(entry.namespaces) == 0])
    error_message = "cluster-admin holds for the whole cluster: leave namespaces out, or use policy = \"admin\"."
  }
}

variable "core_node_instance_types" {
  description = "x86 instance types of the core node group. It runs CoreDNS, Karpenter and the controllers; models run on Karpenter's nodes."
  type        = list(string)
  default     = ["m6i.xlarge"]

  validation {
    condition     = length(var.core_node_instance_types) > 0 && alltrue([for type in var.core_node_instance_types : can(regex("^[a-z0-9-]+\\.[a-z0-9-]+$", type))])
    error_message = "core_node_instance_types needs at least one instance type such as m6i.xlarge."
  }
}

variable "core_node_count" {
  description = "Core nodes that always run. Two are the least at which a node may be replaced without an outage."
  type        = number
  default     = 2

  validation {
    condition     = var.core_node_count >= 2 && var.core_node_count == floor(var.core_node_count)
    error_message = "core_node_count must be a whole number of at least 2: with one node its replacement stops CoreDNS and Karpenter."
  }
}

variable "core_node_max" {
  description = "Upper bound of the core node group; room for rolling replacement."
  type        = number
  default     = 8

  validation {
    condition     = var.core_node_max >= var.core_node_count
    error_message = "core_node_max (${var.core_node_max}) must not be below core_node_count (${var.core_node_count})."
  }
}

variable "core_node_disk_gib" {
  description = "Data volume of each core node in GiB (images, logs, emptyDir)."
  type        = number
  default     = 100

  validation {
    condition     = var.core_node_disk_gib >= 20 && var.core_node_disk_gib <= 16384
    error_message = "core_node_disk_gib must be 20 to 16384."
  }
}

variable "log_retention_days" {
  description = "How long control-plane and flow logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a period that CloudWatch Logs offers: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "monthly_budget_usd" {
  description = "Monthly budget in US dollars with alarms at 80 % and 100 %; null makes none. It counts by tag: activate the cost allocation tag slipway.dev/environment in the payer account, else it counts nothing."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null ? true : var.monthly_budget_usd > 0
    error_message = "monthly_budget_usd must be above 0, or null for no budget."
  }
}

variable "budget_alert_emails" {
  description = "Who is told when the budget is nearly or fully spent. At most 10."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.budget_alert_emails) <= 10 && alltrue([for address in var.budget_alert_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "budget_alert_emails takes at most 10 e-mail addresses."
  }
}

variable "enable_s3_models_storage" {
  description = "Keep model weights in S3: roles that sync and read them, and the bucket when s3_models_bucket_create is true."
  type        = bool
  default     = false
}

variable "s3_models_bucket_create" {
  description = "true makes the bucket, and deletes it with all its objects when the environment goes. false uses s3_models_bucket_name as it is."
  type        = bool
  default     = true
}

variable "s3_models_bucket_name" {
  description = "Name of the model bucket; empty takes <name>-models-<account>-<region>."
  type        = string
  default     = ""

  validation {
    condition     = var.s3_models_bucket_name == "" || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.s3_models_bucket_name))
    error_message = "s3_models_bucket_name must be a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens."
  }

  validation {
    condition     = !var.enable_s3_models_storage || var.s3_models_bucket_create || var.s3_models_bucket_name != ""
    error_message = "s3_models_bucket_create = false needs s3_models_bucket_name: the existing bucket to use."
  }
}

variable "s3_models_sync_sa" {
  description = "Kubernetes service account that copies models into the bucket."
  type        = string
  default     = "s3-models-sync-sa"
}

variable "s3_models_sync_sa_namespace" {
  description = "Its namespace."
  type        = string
  default     = "default"
}

variable "s3_models_inference_sa" {
  description = "Kubernetes service account of model servers, which read the bucket."
  type        = string
  default     = "inference-sa"
}

variable "s3_models_inference_sa_namespace" {
  description = "Its namespace."
  type        = string
  default     = "default"
}

variable "s3_models_additional_buckets" {
  description = "Further buckets that model servers and the sync job may read."
  type        = list(string)
  default     = []
}

variable "enable_aws_load_balancer_controller" {
  description = "Make the role of the AWS Load Balancer Controller, which Slipway installs."
  type        = bool
  default     = true
}

variable "enable_ecr_repository" {
  description = "Make an ECR repository for own images, deleted with its images when the environment goes."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Further tags for every resource. The two that Slipway finds its resources by cannot be overridden."
  type        = map(string)
  default     = {}
}
