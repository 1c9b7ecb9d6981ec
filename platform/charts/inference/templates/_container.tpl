{{/* What containers of every framework have in common. */}}

{{/* Facts of a framework's server: what answers which question on port 8000. `python`: files/progress.py runs in it;
`drains`: finishes running requests on SIGTERM. */}}
{{- define "inference.traits" -}}
{{- $framework := include "inference.framework" . -}}
{{- if has $framework (list "vllm" "aibrix" "lws-vllm") -}}
{ready: /health, live: /health, python: true, metrics: /metrics}
{{- else if eq $framework "llama-cpp" -}}
{ready: /health, live: /health, drains: {{ eq (include "inference.llamaServer" .) "slipway-worker" }}, metrics: /metrics}
{{- else if eq $framework "triton-vllm" -}}
{ready: /v2/health/ready, live: /v2/health/live, drains: true, metrics: /metrics}
{{- else if eq $framework "diffusers" -}}
{ready: /health, live: /live, drains: true, metrics: /metrics}
{{- else -}}
{ready: /v1/health/ready, live: /v1/health/live, metrics: /v1/metrics}
{{- end -}}
{{- end -}}

{{/* Environment: ours, then the framework's (a map), then the file's, which wins. Of (dict "root" $ "more" MAP). */}}
{{- define "inference.env" -}}
{{- $root := .root -}}
{{- $env := dict "HOME" "/var/cache/slipway" "USER" "model" "LOGNAME" "model" "XDG_CACHE_HOME" "/var/cache/slipway"
  "HF_HOME" "/var/cache/slipway/huggingface" "HF_TOKEN_PATH" "/etc/slipway/secrets/huggingface/token"
  "TORCHINDUCTOR_CACHE_DIR" "/var/cache/slipway/inductor" "TRITON_CACHE_DIR" "/var/cache/slipway/triton" -}}
{{- $_ := mergeOverwrite $env (.more | default dict) ($root.Values.inference.modelServer.env | default dict) -}}
{{- range $name, $value := $env }}
- name: {{ $name }}
  {{- if kindIs "map" $value }}
  {{- toYaml $value | nindent 2 }}
  {{- else }}
  value: {{ include "inference.text" $value | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "inference.envFrom" -}}
{{- if .Values.hfTokenSecret.envFrom }}
envFrom:
  - secretRef: {name: {{ .Values.hfTokenSecret.name }}, optional: true}
{{- end }}
{{- end -}}

{{/* Of (dict "root" $ "efa" BOOL). An EFA pins memory for its device, which needs root and one capability. */}}
{{- define "inference.securityContext" -}}
{{- $security := .root.Values.security -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: {{ $security.readOnlyRootFilesystem }}
capabilities:
  drop: [ALL]
  {{- if .efa }}
  add: [IPC_LOCK]
  {{- end }}
{{- end -}}

{{- define "inference.podSecurityContext" -}}
{{- $security := .root.Values.security -}}
{{- $nim := ternary (include "inference.nim" .root | fromYaml).podSecurityContext dict (eq (include "inference.framework" .root) "nim-container") | default dict -}}
{{- $fixed := $nim -}}
{{- /* Ray's images keep their Python in the home of this user, which others may not enter. */ -}}
{{- if eq (include "inference.framework" .root) "ray-vllm" -}}{{- $fixed = dict "runAsUser" 1000 "runAsGroup" 100 "fsGroup" 100 -}}{{- end -}}
{{- $user := ternary 0 ($fixed.runAsUser | default $security.runAsUser) (.efa | default false) | int -}}
{{- $group := ternary 0 ($fixed.runAsGroup | default $security.runAsGroup) (.efa | default false) | int -}}
runAsNonRoot: {{ ne $user 0 }}
runAsUser: {{ $user }}
runAsGroup: {{ $group }}
fsGroup: {{ $fixed.fsGroup | default $security.runAsGroup }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "inference.tokenMount" -}}
- {name: huggingface-token, mountPath: /etc/slipway/secrets/huggingface, readOnly: true}
{{- end -}}

{{/* Without the token: what a server needs that fetches nothing. */}}
{{- define "inference.plainMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: cache, mountPath: /var/cache/slipway}
- {name: shm, mountPath: /dev/shm}
{{- if include "inference.config" . }}
- {name: config, mountPath: /etc/slipway/config, readOnly: true}
{{- end }}
{{- if include "inference.packages" . }}
- {name: packages, mountPath: /opt/packages, readOnly: true}
{{- end }}
{{- end -}}

{{- define "inference.volumeMounts" -}}
{{ include "inference.plainMounts" . }}
{{ include "inference.tokenMount" . }}
{{- end -}}

{{/* The token is a file of an optional Secret: without it open models still start, and gated ones say so in their log. */}}
{{- define "inference.tokenVolume" -}}
- name: huggingface-token
  secret:
    secretName: {{ .name }}
    optional: true
    defaultMode: 0440
    items: [{key: {{ .key }}, path: token}]
{{- end -}}

{{- define "inference.volumes" -}}
- name: tmp
  emptyDir: {}
- name: cache
  {{- if .Values.modelCache.claimName }}
  persistentVolumeClaim: {claimName: {{ .Values.modelCache.claimName }}}
  {{- else }}
  emptyDir: {{ ternary (dict "sizeLimit" .Values.modelCache.sizeLimit) dict (not (empty .Values.modelCache.sizeLimit)) | toJson }}
  {{- end }}
- name: shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ .Values.inference.modelServer.deployment.sharedMemory | default (ternary "16Gi" "2Gi" (gt (include "inference.devices" . | atoi) 1)) }}
{{ include "inference.tokenVolume" .Values.hfTokenSecret }}
{{- if include "inference.config" . }}
- name: config
  configMap: {name: {{ include "inference.name" . }}-config}
{{- end }}
{{- if include "inference.packages" . }}
- name: packages
  emptyDir: {}
{{- end }}
{{- end -}}

{{/* Requests and limits of the accelerator, with EFA devices where they are asked for. */}}
{{- define "inference.resources" -}}
{{- $resources := deepCopy (index .root.Values.inference.modelServer.deployment.resources .root.Values.inference.accelerator | default dict) -}}
{{- if .efa -}}
{{- range $part := list "requests" "limits" -}}
{{- $_ := set $resources $part (merge (dict "vpc.amazonaws.com/efa" $.root.Values.efa.devices) (index $resources $part | default dict)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* Python packages for the container, as JSON list; empty text for none. */}}
{{- define "inference.packages" -}}
{{- $framework := include "inference.framework" . -}}
{{- $version := .Values.inference.modelServer.vllmVersion | toString -}}
{{- if and (eq $framework "ray-vllm") .Values.inference.modelServer.vllmVersion -}}
{{ list (printf "vllm==%s" $version) | toJson }}
{{- else if and (eq $framework "diffusers") .Values.packages.diffusers -}}
{{ .Values.packages.diffusers | toJson }}
{{- end -}}
{{- end -}}

{{/* Of (dict "root" $ "image" TEXT "packages" LIST): pip with exact versions into a scratch volume; no shell, no root.
A list of ours is complete; an engine by its version alone brings what it asks for. */}}
{{- define "inference.packagesInit" -}}
- name: packages
  image: {{ .image }}
  imagePullPolicy: {{ include "inference.pullPolicy" .root }}
  command: [python, -m, pip, install, --no-cache-dir, --disable-pip-version-check, --target=/opt/packages]
  args: {{ concat (ternary (list "--no-deps" "--only-binary=:all:") list (gt (len .packages) 1)) .packages | toJson }}
  env:
    - {name: HOME, value: /tmp}
  resources:
    requests: {cpu: "1", memory: 2Gi}
    limits: {memory: 4Gi}
  securityContext:
    {{- include "inference.securityContext" (dict "root" .root) | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: packages, mountPath: /opt/packages}
{{- end -}}
