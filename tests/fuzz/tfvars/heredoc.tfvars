a = <<-EOT
  x $${y}
    z
  EOT
name = "q\"\u00e9\U0001F600"
