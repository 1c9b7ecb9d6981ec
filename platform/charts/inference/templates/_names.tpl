{{/* Names, labels and images. Everything of a release is named after the service, so that two releases share a namespace. */}}

{{- define "inference.framework" -}}
{{- if .Values.inference.framework -}}
{{- .Values.inference.framework -}}
{{- else if not (.Values.s3ModelCopy).model -}}
vllm
{{- end -}}
{{- end -}}

{{- define "inference.name" -}}
{{- $name := .Values.inference.serviceName | default .Release.Name -}}
{{- if and (eq (include "inference.framework" .) "ray-vllm") (gt (len $name) 47) -}}
{{- fail (printf "inference.serviceName '%s' has %d characters; KubeRay allows 47 for a RayService. Choose a shorter name." $name (len $name)) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "inference.namespace" -}}
{{- .Values.inference.serviceNamespace | default .Release.Namespace -}}
{{- end -}}

{{/* What selects the pods of a release; never changes while it lives. */}}
{{- define "inference.selector" -}}
app.kubernetes.io/name: inference
app.kubernetes.io/instance: {{ include "inference.name" . }}
{{- end -}}

{{- define "inference.labels" -}}
{{ include "inference.selector" . }}
app.kubernetes.io/component: model-server
app.kubernetes.io/part-of: slipway
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.extraLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* By these a gateway finds endpoints, on pods that answer and on their Services (and so on EndpointSlices). */}}
{{- define "inference.discovery" -}}
slipway.dev/model: {{ include "inference.name" . }}
slipway.dev/framework: {{ include "inference.framework" . }}
slipway.dev/port: "8000"
{{- if eq (include "inference.framework" .) "aibrix" }}
model.aibrix.ai/name: {{ include "inference.name" . }}
model.aibrix.ai/port: "8000"
model.aibrix.ai/engine: vllm
{{- if .Values.aibrix.adapters }}
adapter.model.aibrix.ai/enabled: "true"
{{- end }}
{{- end }}
{{- end -}}

{{- define "inference.annotations" -}}
slipway.dev/model-id: {{ .Values.model | quote }}
slipway.dev/min-replicas: {{ .Values.inference.modelServer.deployment.minReplicas | quote }}
slipway.dev/max-replicas: {{ .Values.inference.modelServer.deployment.maxReplicas | quote }}
{{- end -}}

{{- define "inference.podLabels" -}}
{{ include "inference.labels" . }}
{{ include "inference.discovery" . }}
{{- with .Values.inference.modelServer.deployment.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "inference.podAnnotations" -}}
{{ include "inference.annotations" . }}
checksum/config: {{ include "inference.config" . | sha256sum }}
{{- with .Values.inference.modelServer.deployment.annotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The image that a framework has by default, as YAML. */}}
{{- define "inference.defaultImage" -}}
{{- $framework := include "inference.framework" . -}}
{{- if has $framework (list "vllm" "aibrix" "lws-vllm") -}}
{{ index .Values.images.vllm .Values.inference.accelerator | toJson }}
{{- else if eq $framework "ray-vllm" -}}
{{ .Values.images.ray | toJson }}
{{- else if eq $framework "triton-vllm" -}}
{{ .Values.images.triton | toJson }}
{{- else if eq $framework "diffusers" -}}
{{ .Values.images.diffusers | toJson }}
{{- else if eq $framework "llama-cpp" -}}
{{- $upstream := ternary .Values.images.llamaServerCuda .Values.images.llamaServer (eq .Values.inference.accelerator "gpu") }}
{{ ternary .Values.images.slipwayWorker $upstream (eq (include "inference.llamaServer" .) "slipway-worker") | toJson }}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* repository:tag of (dict "root" $ "image" IMAGE). `latest` becomes the pinned release; other mutable tags are refused. */}}
{{- define "inference.imageOf" -}}
{{- $image := .image -}}
{{- $tag := $image.tag | default "latest" | toString -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else if has $tag (list "latest" "main" "master" "nightly" "stable" "edge" "dev") -}}
{{- $pin := index .root.Values.pinnedTags $image.repository -}}
{{- if not $pin -}}
{{- fail (printf "inference.modelServer.image %s:%s can change under a running model. Set inference.modelServer.image.tag to a release or image.digest, or name one under pinnedTags." $image.repository $tag) -}}
{{- end -}}
{{ $pin.repository | default $image.repository }}:{{ $pin.tag }}
{{- else -}}
{{ $image.repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{- define "inference.image" -}}
{{- $image := .Values.inference.modelServer.image -}}
{{- if not ($image).repository -}}{{- $image = merge (dict) ($image | default dict) (include "inference.defaultImage" . | fromJson) -}}{{- end -}}
{{- if not $image.repository -}}
{{- fail (printf "framework %s has no image of its own: set inference.modelServer.image.repository and tag." (include "inference.framework" .)) -}}
{{- end -}}
{{- include "inference.imageOf" (dict "root" . "image" $image) -}}
{{- end -}}

{{- define "inference.pullPolicy" -}}
{{- (.Values.inference.modelServer.image).pullPolicy | default .Values.global.image.pullPolicy -}}
{{- end -}}
