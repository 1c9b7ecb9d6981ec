region = "us-west-2"
eks_cluster_version = 1.34
capacity_reservation_tags = {a = "b"}
