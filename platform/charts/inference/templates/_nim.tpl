{{/* NVIDIA NIM. `nim` of older files and `nimContainer` of newer ones over our defaults, as YAML. */}}
{{- define "inference.nim" -}}
{{- $deployment := .Values.inference.modelServer.deployment -}}
{{- $base := dict
  "env" (dict "NVIDIA_VISIBLE_DEVICES" "all" "NVIDIA_DRIVER_CAPABILITIES" "compute,utility" "NIM_CACHE_PATH" "/var/cache/slipway/nim" "NIM_SERVER_PORT" "8000")
  "podSecurityContext" (dict "runAsUser" 1000 "runAsGroup" 1000 "fsGroup" 1000)
  "secrets" (dict "ngcApiKey" (dict "name" "ngc-api" "key" "NGC_API_KEY") "hfToken" (dict "name" .Values.hfTokenSecret.name "key" "HF_TOKEN")) -}}
{{- mergeOverwrite (dict) $base (deepCopy ($deployment.nim | default dict)) (deepCopy ($deployment.nimContainer | default dict)) | toYaml -}}
{{- end -}}

{{/* A NIM reads its key from the environment only, so that one comes from its Secret as such. */}}
{{- define "inference.nimEnv" -}}
{{- $nim := include "inference.nim" . | fromYaml -}}
{{- $secret := $nim.secrets.ngcApiKey -}}
{{- $hub := $nim.secrets.hfToken -}}
{{- $keys := dict
  "NGC_API_KEY" (dict "valueFrom" (dict "secretKeyRef" (dict "name" $secret.name "key" $secret.key)))
  "HF_TOKEN" (dict "valueFrom" (dict "secretKeyRef" (dict "name" $hub.name "key" $hub.key "optional" true))) -}}
{{- merge (dict) $nim.env $keys | toYaml -}}
{{- end -}}

{{- define "inference.container.nim-container" -}}
{{- $nim := include "inference.nim" . | fromYaml -}}
{{- $given := .Values.inference.modelServer.deployment -}}
{{- /* The reference waits 900 s before it asks at all; a startup probe asks from the start and waits as long. */ -}}
{{- $probes := dict "live" (omit ($nim.livenessProbe | default $given.livenessProbe) "initialDelaySeconds")
  "ready" (omit ($nim.readinessProbe | default $given.readinessProbe) "initialDelaySeconds")
  "start" (omit $given.startupProbe "httpGet") -}}
- name: nim
  image: {{ include "inference.image" . }}
  imagePullPolicy: {{ include "inference.pullPolicy" . }}
  env:
    {{- include "inference.env" (dict "root" . "more" (include "inference.nimEnv" . | fromYaml)) | trim | nindent 4 }}
  {{- with include "inference.envFrom" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  ports:
    - {name: http, containerPort: 8000}
  startupProbe:
    {{- include "inference.probe" (dict "given" $probes.start "path" "/v1/health/ready") | nindent 4 }}
  readinessProbe:
    {{- include "inference.probe" (dict "given" $probes.ready "path" "/v1/health/ready") | nindent 4 }}
  livenessProbe:
    {{- include "inference.probe" (dict "given" $probes.live "path" "/v1/health/live") | nindent 4 }}
  {{- include "inference.lifecycle" . | nindent 2 }}
  resources:
    {{- include "inference.resources" (dict "root" .) | nindent 4 }}
  securityContext:
    {{- include "inference.securityContext" (dict "root" .) | nindent 4 }}
  volumeMounts:
    {{- include "inference.volumeMounts" . | nindent 4 }}
{{- end -}}

{{/* Where a NIM custom resource's pods run, of (dict "root" $ "own" VALUES). */}}
{{- define "inference.nimPlacement" -}}
{{- $table := include "inference.nodeLabels" .root | fromYaml -}}
nodeSelector:
  {{- include "inference.nodeSelectorOf" (dict "root" .root "selector" .own.nodeSelector "accelerator" "gpu") | nindent 2 }}
tolerations:
  {{- concat $table.accelerators.gpu.tolerations (.own.tolerations | default list) | uniq | toYaml | nindent 2 }}
{{- with .own.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
