{{/* Slipway's own worker, or upstream's llama-server: one GGUF file, on a processor or a GPU. */}}
{{- define "inference.container.llama-cpp" -}}
{{- $ours := eq .Values.llamaCpp.server "slipway-worker" -}}
- name: {{ .Values.llamaCpp.server }}
  image: {{ include "inference.image" . }}
  imagePullPolicy: {{ include "inference.pullPolicy" . }}
  command: [{{ .Values.llamaCpp.command | default .Values.llamaCpp.server }}]
  args:
    {{- if $ours }}
    {{- include "inference.workerArguments" . | nindent 4 }}
    {{- else }}
    {{- include "inference.llamaServerArguments" . | nindent 4 }}
    {{- end }}
  env:
    {{- include "inference.env" (dict "root" . "more" (dict "LLAMA_CACHE" "/var/cache/slipway/llama.cpp" "SLIPWAY_MODELS_DIR" "/var/cache/slipway/models")) | trim | nindent 4 }}
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

{{/* The worker knows few parameters; the others have no meaning for it and are left to `slipway deploy` to explain. */}}
{{- define "inference.workerArguments" -}}
{{- $given := .Values.modelParameters | default dict -}}
- --listen
- tcp:0.0.0.0:8000
- --model
- {{ include "inference.weights" . | quote }}
- --model-id
- {{ include "inference.name" . | quote }}
{{- range $flag, $key := dict "--context" "maxModelLen" "--parallel" "maxNumSeqs" "--batch-tokens" "maxNumBatchedTokens" }}
{{- with index $given $key }}
- {{ $flag }}
- {{ include "inference.text" . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "inference.llamaServerArguments" -}}
{{- $given := .Values.modelParameters | default dict -}}
{{- $weights := include "inference.weights" . -}}
- --host
- "0.0.0.0"
- --port
- "8000"
- --metrics
- --alias
- {{ include "inference.name" . | quote }}
{{- if hasPrefix "file:" $weights }}
- --model
- {{ trimPrefix "file:" $weights | quote }}
{{- else }}
- -hf
- {{ trimPrefix "hf:" $weights | quote }}
{{- end }}
{{- with $given.maxModelLen }}
- --ctx-size
- {{ include "inference.text" . | quote }}
{{- end }}
{{- with $given.maxNumSeqs }}
- --parallel
- {{ include "inference.text" . | quote }}
{{- end }}
{{- with include "inference.arguments" (omit $given "maxModelLen" "maxNumSeqs" "host" "port" "gpuMemoryUtilization") }}
{{- . }}
{{- end }}
{{- end -}}
