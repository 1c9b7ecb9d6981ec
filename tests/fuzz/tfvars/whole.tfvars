name = "dev" # c
target = "local"
gateway_port = 8080
models = ["a", "b",]
enable_cluster_addons = { coredns = true, "kube-proxy" : false
}
nodepools = null // x
/* y */
