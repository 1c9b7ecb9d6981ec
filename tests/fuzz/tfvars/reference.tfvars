name = var.x
