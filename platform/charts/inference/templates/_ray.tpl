{{/* Ray Serve under KubeRay: framework ray-vllm. */}}

{{/* Devices of one Serve replica, and how many replicas fit the worker pods. */}}
{{- define "inference.rayDevices" -}}
{{- $devices := include "inference.devices" . | atoi -}}
{{- $parallel := (.Values.modelParameters).tensorParallelSize | default 0 | toString | atoi -}}
{{- if eq .Values.inference.accelerator "neuron" -}}{{- $devices = mul 2 $devices | int -}}{{- end -}}
{{- ternary $parallel $devices (and (gt $parallel 0) (le $parallel $devices)) -}}
{{- end -}}

{{- define "inference.rayReplicas" -}}
{{- $deployment := .Values.inference.modelServer.deployment -}}
{{- $actors := .Values.inference.rayOptions.autoscaling.actorAutoscaling -}}
{{- $per := include "inference.rayDevices" . | atoi -}}
{{- $devices := mul (include "inference.devices" . | atoi) (ternary 2 1 (eq .Values.inference.accelerator "neuron")) | int -}}
{{- $fit := mul (int $deployment.replicas) (ternary (div $devices (max $per 1)) 1 (gt $per 0) | int) -}}
{{- ternary (int $actors.minActors) (max $fit (int $actors.minActors) | int) .Values.inference.rayOptions.autoscaling.enabled -}}
{{- end -}}

{{/* The Serve configuration, a YAML text inside the RayService. */}}
{{- define "inference.serveConfig" -}}
{{- $ray := .Values.inference.rayOptions -}}
{{- $actors := $ray.autoscaling.actorAutoscaling -}}
{{- $per := include "inference.rayDevices" . | atoi -}}
applications:
  - name: {{ include "inference.name" . }}
    import_path: slipway_serve:app
    route_prefix: /
    args:
      model: {{ include "inference.name" . }}
      command:
        - vllm
        - serve
        - {{ include "inference.weights" . | quote }}
        {{- include "inference.arguments" (omit (include "inference.vllmParameters" . | fromYaml) "host" "port") | trim | nindent 8 }}
      {{- if include "inference.packages" . }}
      packages: /opt/packages
      {{- end }}
      stall_seconds: {{ .Values.progress.stallSeconds }}
    deployments:
      - name: Engine
        max_ongoing_requests: 1024
        graceful_shutdown_timeout_s: {{ .Values.drain.seconds }}
        health_check_period_s: 10
        health_check_timeout_s: 30
        {{- if and $ray.autoscaling.enabled (gt (int $actors.maxActors) (int $actors.minActors)) }}
        autoscaling_config:
          min_replicas: {{ $actors.minActors }}
          max_replicas: {{ $actors.maxActors }}
          target_ongoing_requests: {{ $actors.targetOngoingRequests | default 8 }}
          {{- if hasKey $actors "upscaleDelaySeconds" }}
          upscale_delay_s: {{ $actors.upscaleDelaySeconds }}
          {{- end }}
          {{- if hasKey $actors "downscaleDelaySeconds" }}
          downscale_delay_s: {{ $actors.downscaleDelaySeconds }}
          {{- end }}
        {{- else }}
        num_replicas: {{ include "inference.rayReplicas" . }}
        {{- end }}
        ray_actor_options:
          {{- if eq .Values.inference.accelerator "gpu" }}
          num_cpus: 1
          num_gpus: {{ $per }}
          {{- else if eq .Values.inference.accelerator "neuron" }}
          num_cpus: 1
          resources: {neuron_cores: {{ $per }}}
          {{- else }}
          num_cpus: {{ max 1 ((index .Values.inference.modelServer.deployment.resources .Values.inference.accelerator).requests.cpu | toString | atoi) }}
          {{- end }}
{{- end -}}

{{/* Of (dict "root" $ "head" BOOL): a pod of the Ray cluster. KubeRay adds its own probes to it. */}}
{{- define "inference.rayPod" -}}
{{- $root := .root -}}
{{- $image := include "inference.image" $root -}}
{{- /* the reference names the processor image; its GPU twin has the suffix */ -}}
{{- if and (not .head) (eq $root.Values.inference.accelerator "gpu") (hasPrefix "rayproject/ray:" $image) (not (contains "-gpu" $image)) (not (contains "-cu" $image)) -}}
{{- $image = printf "%s-gpu" $image -}}
{{- end -}}
metadata:
  labels:
    {{- include "inference.podLabels" $root | nindent 4 }}
    slipway.dev/role: {{ ternary "head" "worker" .head }}
  annotations:
    {{- include "inference.podAnnotations" $root | nindent 4 }}
spec:
  {{- $autoscales := and .head $root.Values.inference.rayOptions.autoscaling.enabled }}
  {{- if $autoscales }}
  # KubeRay makes an account for the autoscaler beside the head, which asks the API server for workers.
  automountServiceAccountToken: true
  {{- else }}
  serviceAccountName: {{ $root.Values.serviceAccountName }}
  automountServiceAccountToken: false
  {{- end }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "inference.gracePeriod" $root }}
  {{- if not .head }}
  {{- with include "inference.runtimeClass" $root }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- end }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "inference.podSecurityContext" (dict "root" $root) | nindent 4 }}
  {{- if .head }}
  {{- include "inference.rayHeadPlacement" $root | nindent 2 }}
  {{- else }}
  {{- include "inference.placement" (dict "root" $root) | nindent 2 }}
  {{- with include "inference.packages" $root }}
  initContainers:
    {{- include "inference.packagesInit" (dict "root" $root "image" $image "packages" (fromJsonArray .)) | nindent 4 }}
  {{- end }}
  {{- end }}
  containers:
    - name: ray-{{ ternary "head" "worker" .head }}
      image: {{ $image }}
      imagePullPolicy: {{ include "inference.pullPolicy" $root }}
      ports:
        - {name: serve, containerPort: 8000}
        - {name: metrics, containerPort: 8080}
        {{- if .head }}
        - {name: gcs-server, containerPort: 6379}
        - {name: dashboard, containerPort: 8265}
        - {name: client, containerPort: 10001}
        {{- end }}
      env:
        {{- $more := merge (dict "PYTHONPATH" "/etc/slipway/config") (include "inference.vllmEnv" $root | fromYaml) }}
        {{- if .head }}
        {{- with $root.Values.inference.rayOptions.observability }}
        {{- $_ := mergeOverwrite $more (dict "RAY_PROMETHEUS_HOST" .rayPrometheusHost "RAY_GRAFANA_HOST" .rayGrafanaHost "RAY_GRAFANA_IFRAME_HOST" .rayGrafanaIframeHost) }}
        {{- end }}
        {{- end }}
        {{- include "inference.env" (dict "root" $root "more" $more) | trim | nindent 8 }}
      {{- with include "inference.envFrom" $root | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- if not .head }}
      lifecycle:
        {{- if $root.Values.inference.modelServer.deployment.lifecycle }}
        {{- toYaml $root.Values.inference.modelServer.deployment.lifecycle | nindent 8 }}
        {{- else }}
        preStop:
          exec:
            command: [python, /etc/slipway/config/slipway_serve.py, drain, {{ $root.Values.drain.seconds | quote }}]
        {{- end }}
      {{- end }}
      resources:
        {{- if .head }}
        {{- $head := $root.Values.inference.rayOptions.head }}
        {{- toYaml (dict "requests" $head.requests "limits" $head.limits) | nindent 8 }}
        {{- else }}
        {{- include "inference.resources" (dict "root" $root) | nindent 8 }}
        {{- end }}
      securityContext:
        {{- include "inference.securityContext" (dict "root" $root) | nindent 8 }}
      volumeMounts:
        {{- include "inference.volumeMounts" $root | nindent 8 }}
  volumes:
    {{- include "inference.volumes" $root | nindent 4 }}
{{- end -}}

{{/* The head needs no device: a processor node of the accelerator's architecture, in the workers' zone if it can be. */}}
{{- define "inference.rayHeadPlacement" -}}
{{- $host := ternary "graviton" "cpu" (eq .Values.inference.accelerator "graviton") -}}
{{- $table := include "inference.nodeLabels" . | fromYaml -}}
nodeSelector:
  {{- toYaml (index $table.accelerators $host).labels | nindent 2 }}
{{- with (index $table.accelerators $host).tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "inference.podAffinity" (dict "root" .) | trim }}
affinity:
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}
