{{/*
Helpers of one pool are called with (dict "root" $ "name" NAME "pool" POOL).
"true" where the pool exists: it has limits and is not switched off. Asking for one without limits is an error.
*/}}
{{- define "node-pools.on" -}}
{{- if not .root.Values.nodeLimits -}}
{{- fail "nodeLimits is empty, so no pool would exist and every pod would stay Pending. Set it, e.g. {general-purpose: {cpu: \"64\"}, gpu: {cpu: \"96\", nvidia.com/gpu: \"4\"}}." -}}
{{- end -}}
{{- range $limited, $_ := .root.Values.nodeLimits -}}
{{- if not (hasKey $.root.Values.pools $limited) -}}
{{- fail (printf "nodeLimits names the pool '%s', which does not exist. Pools: %s." $limited (keys $.root.Values.pools | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- $limits := index .root.Values.nodeLimits .name -}}
{{- if and (eq (toString .pool.enabled) "true") (not $limits) -}}
{{- fail (printf "nodeLimits has no limits for the pool '%s', so it could grow without bound. Set nodeLimits.%s, e.g. {cpu: \"64\"}, or leave pools.%s.enabled out." .name .name .name) -}}
{{- end -}}
{{- if and $limits (ne (toString .pool.enabled) "false") -}}
{{- if not (or (index .pool "families") (index .pool "instanceTypes") (index .pool "categories")) -}}
{{- fail (printf "pools.%s names no families, instanceTypes or categories, so it would take any instance type. Set one of them." .name) -}}
{{- end -}}
true
{{- end -}}
{{- end -}}

{{/* NodePool and NodeClass names. Auto Mode owns pools of its own called general-purpose and system. */}}
{{- define "node-pools.name" -}}
{{- if .root.Values.autoMode }}slipway-{{ end }}{{ .name }}
{{- end -}}

{{/* Key prefix of instance properties. */}}
{{- define "node-pools.instanceKey" -}}
{{- if .Values.autoMode }}eks.amazonaws.com{{ else }}karpenter.k8s.aws{{ end }}
{{- end -}}

{{- define "node-pools.labels" -}}
app.kubernetes.io/name: node-pools
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
slipway.dev/environment: {{ .root.Values.clusterName | quote }}
{{- end -}}

{{/* Where the pool's nodes find capacity that is already paid: the pool's own terms, else the environment's. */}}
{{- define "node-pools.reservations" -}}
{{- $r := index .pool "capacityReservations" | default .root.Values.capacityReservations -}}
{{- $ids := concat ($r.ids | default list) (compact (list .root.Values.capacityBlockId)) -}}
{{- if or $ids $r.tags }}
capacityReservationSelectorTerms:
{{- range $ids }}
  - id: {{ . }}
{{- end }}
{{- with $r.tags }}
  - tags:
      {{- toYaml . | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Subnets and security groups: by id where given, else by the tag that discovery goes by. */}}
{{- define "node-pools.network" -}}
subnetSelectorTerms:
{{- range .root.Values.subnetIds }}
  - id: {{ . }}
{{- else }}
  - tags:
      karpenter.sh/discovery: {{ .root.Values.clusterName | quote }}
{{- end }}
securityGroupSelectorTerms:
{{- range .root.Values.securityGroupIds }}
  - id: {{ . }}
{{- else }}
  - tags:
      karpenter.sh/discovery: {{ .root.Values.clusterName | quote }}
{{- end }}
{{- if and .pool.efa .root.Values.efaSecurityGroupId }}
  - id: {{ .root.Values.efaSecurityGroupId }}
{{- end }}
{{- end -}}

{{- define "node-pools.tags" -}}
tags:
  {{- range $key, $value := omit .root.Values.tags "slipway.dev/environment" "slipway.dev/managed-by" "slipway.dev/pool" }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
  slipway.dev/environment: {{ .root.Values.clusterName | quote }}
  slipway.dev/managed-by: slipway
  slipway.dev/pool: {{ .name }}
{{- end -}}

{{/* Settings of a Bottlerocket node; Karpenter merges its own (cluster, labels, taints, instance store) into them. */}}
{{- define "node-pools.bottlerocket" -}}
{{- with .Values.soci }}
{{- if .enabled }}
[settings.container-runtime]
snapshotter = "soci"
[settings.container-runtime-plugins.soci-snapshotter]
pull-mode = "parallel-pull-unpack"
[settings.container-runtime-plugins.soci-snapshotter.parallel-pull-unpack]
max-concurrent-downloads-per-image = {{ .maxConcurrentDownloads }}
concurrent-download-chunk-size = {{ .chunkSize | quote }}
max-concurrent-unpacks-per-image = {{ .maxConcurrentUnpacks }}
discard-unpacked-layers = true
{{- end }}
{{- end }}
{{- if gt (int .Values.maxUserNamespaces) 0 }}
[settings.kernel.sysctl]
"user.max_user_namespaces" = {{ .Values.maxUserNamespaces | toString | quote }}
{{- end }}
{{- end -}}

{{/* An encrypted gp3 volume. Pulls to EBS instead of local NVMe need its throughput raised. */}}
{{- define "node-pools.volume" -}}
- deviceName: {{ .device }}
  ebs:
    volumeType: gp3
    volumeSize: {{ .gib }}Gi
    encrypted: true
    kmsKeyID: {{ .root.Values.kmsKeyArn }}
    deleteOnTermination: true
    {{- if and .fast .root.Values.soci.enabled (not .root.Values.soci.useInstanceStore) }}
    iops: 16000
    throughput: 1000
    {{- end }}
    {{- with .snapshot }}
    snapshotID: {{ . }}
    {{- end }}
{{- end -}}
