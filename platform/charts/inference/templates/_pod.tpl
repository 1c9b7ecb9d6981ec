{{/* The pod spec of every framework but Ray, of (dict "root" $ "containers" TEXT "group" BOOL "efa" BOOL). */}}
{{- define "inference.podSpec" -}}
{{- $root := .root -}}
serviceAccountName: {{ $root.Values.serviceAccountName }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ include "inference.gracePeriod" $root }}
{{- with include "inference.runtimeClass" $root }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "inference.podSecurityContext" (dict "root" $root "efa" .efa) | nindent 2 }}
{{ include "inference.placement" (dict "root" $root "group" .group) }}
{{- if include "inference.packages" $root }}
initContainers:
  {{- include "inference.packagesInit" (dict "root" $root "image" (include "inference.image" $root) "packages" (include "inference.packages" $root | fromJsonArray)) | nindent 2 }}
{{- else if include "inference.fetches" $root }}
initContainers:
  {{- include "inference.fetchInit" $root | nindent 2 }}
{{- end }}
containers:
  {{- .containers | nindent 2 }}
volumes:
  {{- include "inference.volumes" $root | nindent 2 }}
  {{- with .volumes }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "inference.runtimeClass" -}}
{{- if eq .Values.runtimeClassName "auto" -}}
{{- if not .Values.autoMode -}}
{{- $table := include "inference.nodeLabels" . | fromYaml -}}
{{- (index $table.accelerators .Values.inference.accelerator).runtime_class | default "" -}}
{{- end -}}
{{- else -}}
{{- .Values.runtimeClassName -}}
{{- end -}}
{{- end -}}
