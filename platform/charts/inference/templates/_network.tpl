{{/* What every pod of a model may reach: names, its AWS identity, and where weights and packages come from. */}}
{{- define "inference.egress" -}}
{{- $policy := .Values.networkPolicy -}}
- ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
  to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
    {{- range $policy.dnsCidrs }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
# Pod Identity's agent on the node.
- ports: [{protocol: TCP, port: 80}]
  to: [{ipBlock: {cidr: 169.254.170.23/32}}]
{{- with $policy.modelStoreCidrs }}
# Never a neighbour in the cluster.
- ports: [{protocol: TCP, port: 443}]
  to:
    {{- range . }}
    - ipBlock:
        cidr: {{ . }}
        {{- if eq . "0.0.0.0/0" }}
        except: {{ toJson $policy.clusterCidrs }}
        {{- end }}
    {{- end }}
{{- end }}
{{- end -}}

{{- define "inference.metricsPort" -}}
{{- index (dict "triton-vllm" 8002 "ray-vllm" 8080) (include "inference.framework" .) | default 8000 -}}
{{- end -}}
