{{/* Probes and the hook that lets running requests finish. Called with the root. */}}

{{/* One probe of (dict "given" MAP "path" PATH "drop" LIST): the file's own action, else GET path. */}}
{{- define "inference.probe" -}}
{{- $probe := deepCopy (.given | default dict) -}}
{{- if not (or $probe.httpGet $probe.exec $probe.tcpSocket $probe.grpc) -}}
{{- $_ := set $probe "httpGet" (dict "path" .path "port" "http") -}}
{{- end -}}
{{- toYaml $probe -}}
{{- end -}}

{{- define "inference.probes" -}}
{{- $deployment := .Values.inference.modelServer.deployment -}}
{{- $traits := include "inference.traits" . | fromYaml -}}
startupProbe:
  {{- include "inference.probe" (dict "given" $deployment.startupProbe "path" $traits.ready) | nindent 2 }}
readinessProbe:
  {{- include "inference.probe" (dict "given" $deployment.readinessProbe "path" $traits.ready) | nindent 2 }}
livenessProbe:
  {{- $live := deepCopy $deployment.livenessProbe }}
  {{- if and $traits.python .Values.progress.enabled (not (or $live.httpGet $live.exec $live.tcpSocket $live.grpc)) }}
  {{- $_ := set $live "exec" (dict "command" (list "python3" "/etc/slipway/config/progress.py" "live" (toString .Values.progress.stallSeconds))) }}
  {{- end }}
  {{- include "inference.probe" (dict "given" $live "path" $traits.live) | nindent 2 }}
{{- end -}}

{{- define "inference.lifecycle" -}}
{{- $deployment := .Values.inference.modelServer.deployment -}}
{{- $traits := include "inference.traits" . | fromYaml -}}
lifecycle:
  {{- if $deployment.lifecycle }}
  {{- toYaml $deployment.lifecycle | nindent 2 }}
  {{- else if $traits.python }}
  preStop:
    exec:
      command: [python3, /etc/slipway/config/progress.py, drain, {{ .Values.drain.endpointSeconds | quote }}, {{ .Values.drain.seconds | quote }}]
  {{- else if $traits.drains }}
  # The server finishes what runs when it is told to stop; until then gateways learn that it goes.
  preStop:
    sleep: {seconds: {{ .Values.drain.endpointSeconds }}}
  {{- else }}
  # The server drops what runs when it is told to stop, and nothing in it can wait for less than the whole time.
  preStop:
    sleep: {seconds: {{ add .Values.drain.endpointSeconds .Values.drain.seconds }}}
  {{- end }}
{{- end -}}

{{- define "inference.gracePeriod" -}}
{{- .Values.inference.modelServer.deployment.terminationGracePeriodSeconds | default (add .Values.drain.endpointSeconds .Values.drain.seconds .Values.drain.marginSeconds) -}}
{{- end -}}
