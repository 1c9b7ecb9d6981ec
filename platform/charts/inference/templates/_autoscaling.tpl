{{- define "inference.hpa" -}}
{{- $deployment := .Values.inference.modelServer.deployment -}}
minReplicas: {{ max 1 (int $deployment.minReplicas) }}
maxReplicas: {{ $deployment.maxReplicas }}
metrics:
  - type: Pods
    pods:
      metric: {name: {{ .Values.autoscaling.metric }}}
      target: {type: AverageValue, averageValue: {{ .Values.autoscaling.targetRequests | quote }}}
{{- with .Values.autoscaling.behavior }}
behavior:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Requests that run or wait, over all replicas, in vLLM's names and ours. */}}
{{- define "inference.keda" -}}
{{- $deployment := .Values.inference.modelServer.deployment -}}
{{- $where := printf "{namespace=%q,slipway_dev_model=%q}" (include "inference.namespace" .) (include "inference.name" .) -}}
minReplicaCount: {{ $deployment.minReplicas }}
maxReplicaCount: {{ $deployment.maxReplicas }}
{{- with .Values.autoscaling.behavior }}
advanced:
  horizontalPodAutoscalerConfig:
    behavior:
      {{- toYaml . | nindent 6 }}
{{- end }}
triggers:
  - type: prometheus
    metadata:
      serverAddress: {{ .Values.autoscaling.prometheus }}
      threshold: {{ .Values.autoscaling.targetRequests | quote }}
      query: {{ printf "sum({__name__=~\"vllm:num_requests_(running|waiting)|llm_requests_(running|waiting)\",%s)" (trimPrefix "{" $where) | quote }}
{{- end -}}
