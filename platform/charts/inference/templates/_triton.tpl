{{/* Triton with its vLLM backend; the model repository is made from the values. */}}
{{- define "inference.container.triton-vllm" -}}
- name: triton
  image: {{ include "inference.image" . }}
  imagePullPolicy: {{ include "inference.pullPolicy" . }}
  command: [tritonserver]
  args:
    - --model-repository=/models
    - --http-port=8000
    - --grpc-port=8001
    - --metrics-port=8002
    - --exit-timeout-secs={{ .Values.drain.seconds }}
  env:
    {{- include "inference.env" (dict "root" . "more" (include "inference.vllmEnv" . | fromYaml)) | trim | nindent 4 }}
  {{- with include "inference.envFrom" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  ports:
    - {name: http, containerPort: 8000}
    - {name: grpc, containerPort: 8001}
    - {name: metrics, containerPort: 8002}
  {{- include "inference.probes" . | nindent 2 }}
  {{- include "inference.lifecycle" . | nindent 2 }}
  resources:
    {{- include "inference.resources" (dict "root" .) | nindent 4 }}
  securityContext:
    {{- include "inference.securityContext" (dict "root" .) | nindent 4 }}
  volumeMounts:
    {{- include "inference.volumeMounts" . | nindent 4 }}
    # Below the repository: a volume of a ConfigMap has folders of its own, and Triton takes each folder of a repository for a model.
    - {name: models, mountPath: /models/{{ include "inference.name" . }}, readOnly: true}
{{- end -}}

{{- define "inference.tritonConfig" -}}
backend: "vllm"
# The engine batches and places itself on its devices.
instance_group [
  {
    count: 1
    kind: KIND_MODEL
  }
]
{{- end -}}

{{/* Engine arguments of the backend: vLLM's names in snake_case, with JSON types. */}}
{{- define "inference.tritonModel" -}}
{{- $out := dict "model" (include "inference.weights" .) -}}
{{- $devices := include "inference.devices" . | atoi -}}
{{- if gt $devices 1 -}}{{- $_ := set $out "tensor_parallel_size" $devices -}}{{- end -}}
{{- range $key, $value := .Values.modelParameters -}}
{{- $flag := include "inference.flag" $value -}}
{{- if kindIs "invalid" $value -}}
{{- else if $flag -}}
{{- $_ := set $out (snakecase $key) (eq $flag "true") -}}
{{- else if and (kindIs "string" $value) (regexMatch "^[0-9]+$" $value) -}}
{{- $_ := set $out (snakecase $key) (int64 $value) -}}
{{- else if and (kindIs "string" $value) (regexMatch "^[0-9]*\\.[0-9]+$" $value) -}}
{{- $_ := set $out (snakecase $key) (float64 $value) -}}
{{- else if and (kindIs "float64" $value) (eq (floor $value) $value) -}}
{{- $_ := set $out (snakecase $key) (int64 $value) -}}
{{- else -}}
{{- $_ := set $out (snakecase $key) $value -}}
{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}
