{{/* Names, labels and the image. The parts are called with (dict "root" $ "part" "gateway" or "controller"). */}}

{{- define "slipway.name" -}}
{{ .root.Release.Name }}-{{ .part }}
{{- end -}}

{{/* What selects the pods of a part; never changes while it lives. */}}
{{- define "slipway.selector" -}}
app.kubernetes.io/name: slipway
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "slipway.labels" -}}
{{ include "slipway.selector" . }}
app.kubernetes.io/part-of: slipway
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.extraLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "slipway.metadata" -}}
name: {{ include "slipway.name" . }}
namespace: {{ .namespace | default .root.Release.Namespace }}
labels:
  {{- include "slipway.labels" . | nindent 2 }}
{{- end -}}

{{- define "slipway.image" -}}
{{- $image := .Values.image -}}
{{- $tag := $image.tag | default .Chart.AppVersion | toString -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else if has $tag (list "latest" "main" "master" "nightly" "stable" "edge" "dev") -}}
{{- fail (printf "image %s:%s can change under a running gateway. Set image.tag to a release, or image.digest." $image.repository $tag) -}}
{{- else -}}
{{ $image.repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{- define "slipway.endpointSeconds" -}}
{{- .Values.drain.endpointSeconds | default (ternary 90 10 (eq .Values.service.type "LoadBalancer")) -}}
{{- end -}}

{{/* --namespace of every namespace with models, as arguments. */}}
{{- define "slipway.namespaces" -}}
{{- range .Values.modelNamespaces }}
- --namespace
- {{ . }}
{{- end }}
{{- end -}}
