# The place of the Hugging Face token, empty. `slipway secret set hf-token`, or the AWS console, fills it: a token
# that Terraform wrote would be readable in its state and in every saved plan. Without a recovery window the name is free
# again at once, else the next environment of this name could not be made for a month.

resource "aws_secretsmanager_secret" "huggingface" {
  #checkov:skip=CKV2_AWS_57:a Hugging Face token is issued by hand, nothing could rotate it
  name                    = "slipway/${var.name}/huggingface-token"
  description             = "Hugging Face token of ${var.name}"
  kms_key_id              = aws_kms_key.secrets.arn
  recovery_window_in_days = 0
}
