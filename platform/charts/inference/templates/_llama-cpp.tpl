{{/* Slipway's own worker, or upstream's llama-server: one GGUF file, on a processor or a GPU. */}}
{{- define "inference.container.llama-cpp" -}}
{{- $server := include "inference.llamaServer" . -}}
{{- $ours := eq $server "slipway-worker" -}}
- name: {{ $server }}
  image: {{ include "inference.image" . }}
  imagePullPolicy: {{ include "inference.pullPolicy" . }}
  command: [{{ .Values.llamaCpp.command | default (ternary "slipway-worker" "/app/llama-server" $ours) }}]
  args:
    {{- if $ours }}
    {{- include "inference.workerArguments" . | nindent 4 }}
    {{- else }}
    {{- include "inference.llamaServerArguments" . | nindent 4 }}
    {{- end }}
  env:
    {{- include "inference.env" (dict "root" . "more" (dict "LLAMA_CACHE" "/var/cache/slipway/llama.cpp")) | trim | nindent 4 }}
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
    {{- include (ternary "inference.plainMounts" "inference.volumeMounts" $ours) . | nindent 4 }}
{{- end -}}

{{- define "inference.llamaServer" -}}
{{- $upstream := contains "llama.cpp" ((.Values.inference.modelServer.image).repository | default "") -}}
{{- .Values.llamaCpp.server | default (ternary "llama-server" "slipway-worker" $upstream) -}}
{{- end -}}

{{/* Where the worker finds its file: on a volume (file:), else where the init container puts it. */}}
{{- define "inference.ggufFile" -}}
{{- $source := include "inference.weights" . -}}
{{- if hasPrefix "file:" $source -}}
{{- trimPrefix "file:" $source -}}
{{- else if or (regexMatch "^hf:[^/]+/[^/]+/.+\\.gguf$" $source) (hasPrefix "https://" $source) -}}
/var/cache/slipway/models/{{ base $source }}
{{- else -}}
{{- fail (printf "slipway-worker needs one file, and model '%s' names none. Set model: hf:OWNER/REPO/FILE.gguf, https://... or file:/path; `slipway deploy` does it for names of the catalogue." $source) -}}
{{- end -}}
{{- end -}}

{{/* Fetches that file before the worker starts: the worker itself never speaks to the network. */}}
{{- define "inference.fetchInit" -}}
- name: fetch
  image: {{ include "inference.imageOf" (dict "root" . "image" .Values.images.python) }}
  imagePullPolicy: {{ include "inference.pullPolicy" . }}
  command: [python3, /etc/slipway/config/fetch_model.py]
  args: [{{ include "inference.weights" . | quote }}, {{ include "inference.ggufFile" . }}]
  env:
    {{- include "inference.env" (dict "root" .) | trim | nindent 4 }}
  resources:
    requests: {cpu: 500m, memory: 256Mi}
    limits: {memory: 512Mi}
  securityContext:
    {{- include "inference.securityContext" (dict "root" .) | nindent 4 }}
  volumeMounts:
    {{- include "inference.volumeMounts" . | nindent 4 }}
{{- end -}}

{{- define "inference.fetches" -}}
{{- if and (eq (include "inference.framework" .) "llama-cpp") (eq (include "inference.llamaServer" .) "slipway-worker") (not (hasPrefix "file:" (include "inference.weights" .))) -}}
true
{{- end -}}
{{- end -}}

{{/* The worker knows few parameters; the others have no meaning for it and are left to `slipway deploy` to explain. */}}
{{- define "inference.workerArguments" -}}
{{- $given := .Values.modelParameters | default dict -}}
- --listen
- tcp:0.0.0.0:8000
- --model
- {{ include "inference.ggufFile" . }}
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
{{- $parts := splitList "/" (trimPrefix "hf:" $weights) }}
- --hf-repo
- {{ slice $parts 0 (min 2 (len $parts) | int) | join "/" | quote }}
{{- if gt (len $parts) 2 }}
- --hf-file
- {{ slice $parts 2 | join "/" | quote }}
{{- end }}
{{- end }}
{{- with $given.maxModelLen }}
- --ctx-size
- {{ include "inference.text" . | quote }}
{{- end }}
{{- with $given.maxNumSeqs }}
- --parallel
- {{ include "inference.text" . | quote }}
{{- end }}
{{- if and (eq .Values.inference.accelerator "gpu") (not (hasKey $given "nGpuLayers")) }}
- --n-gpu-layers
- "999"
{{- end }}
{{- with include "inference.arguments" (omit $given "maxModelLen" "maxNumSeqs" "host" "port" "gpuMemoryUtilization") }}
{{- . }}
{{- end }}
{{- end -}}
