# What Slipway's add-on values may name as $${output_name}, and what a person needs next.

output "configure_kubectl" {
  description = "Points kubectl at the cluster."
  value       = "aws eks update-kubeconfig --region ${var.region} --name ${aws_eks_cluster.this.name}"
}

output "cluster_name" {
  value = aws_eks_cluster.this.name
}

output "cluster_version" {
  value = aws_eks_cluster.this.version
}

output "cluster_endpoint" {
  value = aws_eks_cluster.this.endpoint
}

output "cluster_certificate_authority_data" {
  description = "Base64; a public certificate, not a secret."
  value       = aws_eks_cluster.this.certificate_authority[0].data
}

output "region" {
  value = var.region
}

output "account_id" {
  value = local.account_id
}

output "partition" {
  value = local.partition
}

output "vpc_id" {
  value = aws_vpc.this.id
}

output "availability_zones" {
  value = local.zones
}

output "node_subnet_ids" {
  value = [for zone in local.zones : aws_subnet.node[zone].id]
}

output "node_role_name" {
  description = "Role of Karpenter's nodes; under Auto Mode of Auto Mode's."
  value       = aws_iam_role.karpenter_node.name
}

output "node_role_arn" {
  value = aws_iam_role.karpenter_node.arn
}

output "interruption_queue_name" {
  description = "Empty under Auto Mode."
  value       = try(aws_sqs_queue.interruption[0].name, "")
}

output "node_security_group_id" {
  value = aws_security_group.node.id
}

output "efa_security_group_id" {
  description = "For EFA nodes, beside node_security_group_id. Empty under Auto Mode."
  value       = try(aws_security_group.efa[0].id, "")
}

output "cluster_security_group_id" {
  description = "The group that EKS itself makes."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "models_bucket" {
  description = "Empty without enable_s3_models_storage."
  value       = local.models_bucket == null ? "" : local.models_bucket
}

output "huggingface_secret_name" {
  value = aws_secretsmanager_secret.huggingface.name
}

output "ecr_repository_url" {
  description = "Empty without enable_ecr_repository."
  value       = try(aws_ecr_repository.this[0].repository_url, "")
}

output "caller_role_arn" {
  description = "Who is cluster admin because it applied this."
  value       = local.caller_arn
}

output "kms_key_arn" {
  description = "Key of volumes, logs, images and models."
  value       = aws_kms_key.data.arn
}

output "kms_secrets_key_arn" {
  description = "Key of Kubernetes Secrets and the Hugging Face token."
  value       = aws_kms_key.secrets.arn
}
