{{/*
One model over several nodes. vLLM 0.12 and newer join the nodes themselves (backend mp); older ones need a Ray cluster
inside of the group, which files/group.py starts (backend ray). Neither uses a shell.
*/}}
{{- define "inference.lwsBackend" -}}
{{- if ne .Values.lws.backend "auto" -}}
{{- .Values.lws.backend -}}
{{- else -}}
{{- $version := include "inference.image" . | regexFind ":v?[0-9]+\\.[0-9]+\\.[0-9]+" | trimPrefix ":" | trimPrefix "v" -}}
{{- ternary "mp" "ray" (and (ne $version "") (semverCompare ">=0.12.0" ($version | default "0.0.0"))) -}}
{{- end -}}
{{- end -}}

{{/* Pods of a group: one for each pipeline stage. */}}
{{- define "inference.groupSize" -}}
{{- (.Values.modelParameters).pipelineParallelSize | default 1 | toString | atoi -}}
{{- end -}}

{{/* Of (dict "root" $ "leader" BOOL). */}}
{{- define "inference.container.lws" -}}
{{- $root := .root -}}
{{- $backend := include "inference.lwsBackend" $root -}}
- name: vllm
  image: {{ include "inference.image" $root }}
  imagePullPolicy: {{ include "inference.pullPolicy" $root }}
  {{- if eq $backend "mp" }}
  command: [vllm, serve]
  args:
    - {{ include "inference.weights" $root | quote }}
    {{- include "inference.arguments" (include "inference.vllmParameters" $root | fromYaml) | trim | nindent 4 }}
    - --nnodes
    - $(LWS_GROUP_SIZE)
    - --node-rank
    - $(LWS_WORKER_INDEX)
    - --master-addr
    - $(LWS_LEADER_ADDRESS)
    {{- if not .leader }}
    - --headless
    {{- end }}
  {{- else if .leader }}
  command: [python3, /etc/slipway/config/group.py, lead, --, vllm, serve]
  args:
    - {{ include "inference.weights" $root | quote }}
    {{- include "inference.arguments" (include "inference.vllmParameters" $root | fromYaml) | trim | nindent 4 }}
    - --distributed-executor-backend
    - ray
  {{- else }}
  command: [python3, /etc/slipway/config/group.py, join]
  {{- end }}
  env:
    {{- $more := include "inference.vllmEnv" $root | fromYaml }}
    {{- if $root.Values.efa.enabled }}
    {{- $_ := mergeOverwrite $more (dict "FI_PROVIDER" "efa" "FI_EFA_USE_DEVICE_RDMA" "1" "NCCL_DEBUG" "WARN") }}
    {{- end }}
    {{- $_ := set $more "VLLM_HOST_IP" (dict "valueFrom" (dict "fieldRef" (dict "fieldPath" "status.podIP"))) }}
    {{- include "inference.env" (dict "root" $root "more" $more) | trim | nindent 4 }}
  {{- with include "inference.envFrom" $root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- if .leader }}
  ports:
    - {name: http, containerPort: 8000}
  {{- include "inference.probes" $root | nindent 2 }}
  {{- include "inference.lifecycle" $root | nindent 2 }}
  {{- end }}
  resources:
    {{- include "inference.resources" (dict "root" $root "efa" $root.Values.efa.enabled) | nindent 4 }}
  securityContext:
    {{- include "inference.securityContext" (dict "root" $root "efa" $root.Values.efa.enabled) | nindent 4 }}
  volumeMounts:
    {{- include "inference.volumeMounts" $root | nindent 4 }}
{{- end -}}

{{- define "inference.groupPod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "inference.labels" $root | nindent 4 }}
    {{- if .leader }}
    {{- include "inference.discovery" $root | nindent 4 }}
    {{- end }}
    {{- with $root.Values.inference.modelServer.deployment.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- include "inference.podAnnotations" $root | nindent 4 }}
spec:
  {{- include "inference.podSpec" (dict "root" $root "containers" (include "inference.container.lws" .) "group" true "efa" $root.Values.efa.enabled) | nindent 2 }}
{{- end -}}
