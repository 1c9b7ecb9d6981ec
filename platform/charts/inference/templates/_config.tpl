{{/* Files of the release's ConfigMap, by framework; empty text for none. */}}
{{- define "inference.config" -}}
{{- $framework := include "inference.framework" . -}}
{{- if has $framework (list "vllm" "aibrix" "lws-vllm") -}}
progress.py: |
  {{- .Files.Get "files/progress.py" | trim | nindent 2 }}
{{- if and (eq $framework "lws-vllm") (eq (include "inference.lwsBackend" .) "ray") }}
group.py: |
  {{- .Files.Get "files/group.py" | trim | nindent 2 }}
{{- end }}
{{- else if eq $framework "ray-vllm" -}}
progress.py: |
  {{- .Files.Get "files/progress.py" | trim | nindent 2 }}
slipway_serve.py: |
  {{- .Files.Get "files/ray_serve.py" | trim | nindent 2 }}
{{- else if eq $framework "diffusers" -}}
diffusers_serve.py: |
  {{- .Files.Get "files/diffusers_serve.py" | trim | nindent 2 }}
{{- else if include "inference.fetches" . -}}
fetch_model.py: |
  {{- .Files.Get "files/fetch_model.py" | trim | nindent 2 }}
{{- else if eq $framework "triton-vllm" -}}
config.pbtxt: |
  {{- include "inference.tritonConfig" . | nindent 2 }}
model.json: {{ include "inference.tritonModel" . | quote }}
{{- end -}}
{{- end -}}

{{/* Volumes of one framework beside the common ones. */}}
{{- define "inference.moreVolumes" -}}
{{- if eq (include "inference.framework" .) "triton-vllm" -}}
- name: models
  configMap:
    name: {{ include "inference.name" . }}-config
    items:
      - {key: config.pbtxt, path: config.pbtxt}
      - {key: model.json, path: 1/model.json}
{{- end -}}
{{- end -}}
