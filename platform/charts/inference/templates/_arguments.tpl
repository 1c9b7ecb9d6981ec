{{/*
modelParameters as an argument array, one YAML list item each; never a line for a shell.
  maxModelLen: 8192            --max-model-len 8192
  enforceEager: true           --enforce-eager           false: left out, it is the default
  enablePrefixCaching: false   --no-enable-prefix-caching: what is enabled by default can be switched off
  speculativeConfig: {...}     --speculative-config '{...}' as one argument
  loraModules: [a, b]          --lora-modules a b
*/}}

{{/* A scalar as text. Helm reads whole numbers as floats: 1000000 must not become 1e+06. */}}
{{- define "inference.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- printf "%d" (int64 .) -}}
{{- else if and (kindIs "string" .) (hasPrefix "'" .) (hasSuffix "'" .) (gt (len .) 1) -}}
{{- /* quoted for the shell that the reference starts */ -}}
{{- . | trimPrefix "'" | trimSuffix "'" -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* "true" or "false" where the value means one, whether written as a boolean or as text. */}}
{{- define "inference.flag" -}}
{{- if or (kindIs "bool" .) (has (toString .) (list "true" "false")) }}{{ toString . }}{{ end -}}
{{- end -}}

{{- define "inference.arguments" -}}
{{- range $key, $value := . }}
{{- $flag := kebabcase $key }}
{{- if kindIs "invalid" $value }}
{{- else if eq (include "inference.flag" $value) "true" }}
- --{{ $flag }}
{{- else if eq (include "inference.flag" $value) "false" }}
{{- if hasPrefix "enable-" $flag }}
- --no-{{ $flag }}
{{- end }}
{{- else if kindIs "map" $value }}
- --{{ $flag }}
- {{ toJson $value | quote }}
{{- else if kindIs "slice" $value }}
- --{{ $flag }}
{{- range $value }}
- {{ include "inference.text" . | quote }}
{{- end }}
{{- else }}
- --{{ $flag }}
- {{ include "inference.text" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Devices of one pod; 0 on processors. */}}
{{- define "inference.devices" -}}
{{- $resources := index .Values.inference.modelServer.deployment.resources .Values.inference.accelerator | default dict -}}
{{- $resource := index (dict "gpu" "nvidia.com/gpu" "neuron" "aws.amazon.com/neuron") .Values.inference.accelerator -}}
{{- if $resource -}}
{{- index ($resources.limits | default dict) $resource | default (index ($resources.requests | default dict) $resource) | default 0 | toString | atoi -}}
{{- else -}}
0
{{- end -}}
{{- end -}}

{{/* All parameters of a vLLM, as YAML: the file's own and what follows from the rest of it. */}}
{{- define "inference.vllmParameters" -}}
{{- $given := .Values.modelParameters | default dict -}}
{{- $devices := include "inference.devices" . | atoi -}}
{{- $made := dict "host" "0.0.0.0" "port" "8000" -}}
{{- if not (hasKey $given "servedModelName") -}}
{{- $_ := set $made "servedModelName" (list (include "inference.name" .) .Values.model | uniq) -}}
{{- end -}}
{{- if .Values.vllm.loadFormat -}}{{- $_ := set $made "loadFormat" .Values.vllm.loadFormat -}}{{- end -}}
{{- /* an Inferentia or Trainium device has two cores */ -}}
{{- if gt $devices 0 -}}
{{- $_ := set $made "tensorParallelSize" (toString (ternary (mul 2 $devices) $devices (eq .Values.inference.accelerator "neuron"))) -}}
{{- end -}}
{{- merge (dict) (omit $given "pipeline" "host" "port") $made | toYaml -}}
{{- end -}}

{{- define "inference.weights" -}}
{{- .Values.modelPath | default .Values.model -}}
{{- end -}}
