{{/* Refusals of a load balancer that would say less than it does, and the annotations of an NLB. Called with the root. */}}

{{- define "slipway.isAws" -}}
{{- if has .Values.service.loadBalancerClass (list "service.k8s.aws/nlb" "eks.amazonaws.com/nlb") }}true{{ end -}}
{{- end -}}

{{- define "slipway.checkBalancer" -}}
{{- $service := .Values.service -}}
{{- if and (eq $service.scheme "internet-facing") (not $service.loadBalancerSourceRanges) -}}
{{- fail "service.scheme internet-facing opens the gateway to everybody who finds it. Set service.loadBalancerSourceRanges to the networks of your clients, or leave service.scheme internal." -}}
{{- end -}}
{{- range $service.loadBalancerSourceRanges -}}
{{- if and (lt (splitList "/" . | last | int) 8) (not $service.openToTheInternet) -}}
{{- fail (printf "service.loadBalancerSourceRanges has %s, which is the internet. Name your clients' networks, or set service.openToTheInternet if that is meant." .) -}}
{{- end -}}
{{- end -}}
{{- if $service.tls.enabled -}}
{{- if not (include "slipway.isAws" .) -}}
{{- fail (printf "service.tls ends at an NLB, and loadBalancerClass '%s' makes none. Set service.tls.enabled to false and end TLS at your own load balancer." $service.loadBalancerClass) -}}
{{- end -}}
{{- if not $service.tls.certificateArn -}}
{{- fail "service.type LoadBalancer ends TLS at the NLB and needs service.tls.certificateArn, a certificate of ACM. Without TLS (keys and prompts in the clear): service.tls.enabled=false." -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "slipway.nlbAnnotations" -}}
service.beta.kubernetes.io/aws-load-balancer-scheme: {{ .Values.service.scheme }}
service.beta.kubernetes.io/aws-load-balancer-nlb-target-type: ip
service.beta.kubernetes.io/aws-load-balancer-healthcheck-protocol: http
service.beta.kubernetes.io/aws-load-balancer-healthcheck-path: /ready
service.beta.kubernetes.io/aws-load-balancer-healthcheck-interval: "5"
# Streams that run when a gateway goes may end by themselves; it waits as long.
service.beta.kubernetes.io/aws-load-balancer-target-group-attributes: deregistration_delay.timeout_seconds={{ .Values.drain.seconds }},deregistration_delay.connection_termination.enabled=false,preserve_client_ip.enabled=false
{{- if .Values.service.tls.enabled }}
service.beta.kubernetes.io/aws-load-balancer-ssl-cert: {{ .Values.service.tls.certificateArn }}
service.beta.kubernetes.io/aws-load-balancer-ssl-ports: {{ .Values.service.balancerPort | quote }}
service.beta.kubernetes.io/aws-load-balancer-ssl-negotiation-policy: {{ .Values.service.tls.policy }}
{{- end }}
{{- end -}}
