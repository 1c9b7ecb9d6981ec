gatway_port = 1
