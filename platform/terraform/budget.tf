# A monthly budget with alarms. It counts what carries the environment's tag, and counts nothing until the payer account has
# activated slipway.dev/environment as a cost allocation tag.

resource "aws_budgets_budget" "monthly" {
  count = var.monthly_budget_usd == null ? 0 : 1

  name         = "slipway-${var.name}-${var.region}"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = format("%.2f", var.monthly_budget_usd)
  limit_unit   = "USD"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:slipway.dev/environment$%s", var.name)]
  }

  dynamic "notification" {
    for_each = length(var.budget_alert_emails) == 0 ? [] : [
      { type = "ACTUAL", threshold = 80 },
      { type = "ACTUAL", threshold = 100 },
      { type = "FORECASTED", threshold = 100 },
    ]

    content {
      comparison_operator        = "GREATER_THAN"
      notification_type          = notification.value.type
      threshold                  = notification.value.threshold
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = var.budget_alert_emails
    }
  }
}

check "budget_alarms_have_receivers" {
  assert {
    condition     = var.monthly_budget_usd == null || length(var.budget_alert_emails) > 0
    error_message = "monthly_budget_usd is set but budget_alert_emails is empty: the budget will count and tell nobody."
  }
}
