{{/* vLLM's own OpenAI server: frameworks vllm and aibrix. */}}
{{- define "inference.container.vllm" -}}
- name: vllm
  image: {{ include "inference.image" . }}
  imagePullPolicy: {{ include "inference.pullPolicy" . }}
  command: [vllm, serve]
  args:
    - {{ include "inference.weights" . | quote }}
    {{- include "inference.arguments" (include "inference.vllmParameters" . | fromYaml) | trim | nindent 4 }}
  env:
    {{- include "inference.env" (dict "root" . "more" (include "inference.vllmEnv" . | fromYaml)) | trim | nindent 4 }}
  {{- with include "inference.envFrom" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  ports:
    - {name: http, containerPort: 8000}
  {{- include "inference.probes" . | nindent 2 }}
  {{- include "inference.lifecycle" . | nindent 2 }}
  resources:
    {{- include "inference.resources" (dict "root" .) | nindent 4 }}
  securityContext:
    {{- include "inference.securityContext" (dict "root" .) | nindent 4 }}
  volumeMounts:
    {{- include "inference.volumeMounts" . | nindent 4 }}
{{- end -}}

{{- define "inference.vllmEnv" -}}
VLLM_LOGGING_LEVEL: {{ .Values.vllm.logLevel | upper }}
VLLM_CACHE_ROOT: /var/cache/slipway/vllm
VLLM_NO_USAGE_STATS: "1"
{{- if has .Values.inference.accelerator (list "cpu" "graviton") }}
{{- with .Values.vllm.cpuKvCacheSpace }}
VLLM_CPU_KVCACHE_SPACE: {{ include "inference.text" . | quote }}
{{- end }}
{{- with .Values.vllm.cpuKvCacheSpaceUtilization | default .Values.vllm.cpuKvCacheUtilization }}
VLLM_CPU_KVCACHE_SPACE_UTILIZATION: {{ include "inference.text" . | quote }}
{{- end }}
{{- end }}
{{- end -}}
