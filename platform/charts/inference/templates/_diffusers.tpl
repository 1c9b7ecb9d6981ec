{{/* Image models: our server around a pipeline of the diffusers library. */}}
{{- define "inference.container.diffusers" -}}
- name: diffusers
  image: {{ include "inference.image" . }}
  imagePullPolicy: {{ include "inference.pullPolicy" . }}
  command: [python, /etc/slipway/config/diffusers_serve.py]
  args:
    - --model
    - {{ include "inference.weights" . | quote }}
    - --name
    - {{ include "inference.name" . | quote }}
    - --pipeline
    - {{ (.Values.modelParameters).pipeline | default "diffusion" | quote }}
    - --device
    - {{ ternary "cuda" "cpu" (eq .Values.inference.accelerator "gpu") }}
    - --drain-seconds
    - {{ .Values.drain.seconds | quote }}
  env:
    {{- include "inference.env" (dict "root" . "more" (dict "PYTHONPATH" "/opt/packages")) | trim | nindent 4 }}
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
