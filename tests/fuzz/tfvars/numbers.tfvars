gateway_port = -1.5e3
x = [[[{a = [1, -2]}]]]
