{{/* The Job that copies a model to a bucket. */}}
{{- define "inference.copyNamespace" -}}
{{- .Values.s3ModelCopy.namespace | default (include "inference.namespace" .) -}}
{{- end -}}

{{- define "inference.copySelector" -}}
app.kubernetes.io/name: inference-copy
app.kubernetes.io/instance: {{ include "inference.name" . }}
{{- end -}}

{{- define "inference.copyLabels" -}}
{{ include "inference.copySelector" . }}
app.kubernetes.io/component: model-copy
app.kubernetes.io/part-of: slipway
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "inference.copyArguments" -}}
{{- $copy := .Values.s3ModelCopy -}}
{{- $parts := splitList "/" (trimPrefix "s3://" ($copy.s3Path | default "")) -}}
{{- $bucket := $copy.s3Bucket | default (first $parts) -}}
{{- if not $bucket -}}{{- fail "s3ModelCopy needs s3Bucket, or s3Path: BUCKET/PREFIX." -}}{{- end -}}
- --model={{ $copy.model }}
- --bucket={{ $bucket }}
- --prefix={{ $copy.s3Prefix | default (join "/" (rest $parts)) | trimSuffix "/" }}
{{- range $flag, $key := dict "file-workers" "fileWorkers" "upload-workers" "uploadWorkers" "part-mib" "partSize" "mode" "mode" }}
{{- with index ($copy.parameters | default dict) $key }}
- --{{ $flag }}={{ include "inference.text" . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "inference.copyPlacement" -}}
{{- $copy := .Values.s3ModelCopy -}}
{{- $prefix := ternary "eks.amazonaws.com" "karpenter.k8s.aws" .Values.autoMode -}}
{{- $needs := list -}}
{{- if $copy.requireLocalNvme -}}
{{- $needs = append $needs (dict "key" (printf "%s/instance-local-nvme" $prefix) "operator" "Gt" "values" (list (toString $copy.storageSize))) -}}
{{- end -}}
{{- with $copy.requireNetworkBandwidth -}}
{{- $needs = append $needs (dict "key" (printf "%s/instance-network-bandwidth" $prefix) "operator" "Gt" "values" (list (include "inference.text" .))) -}}
{{- end -}}
nodeSelector:
  {{- include "inference.nodeSelectorOf" (dict "root" . "selector" $copy.nodeSelector "accelerator" "cpu") | nindent 2 }}
  {{- with $copy.instanceType }}
  node.kubernetes.io/instance-type: {{ . }}
  {{- end }}
{{- with $copy.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $copy.affinity }}
affinity:
  {{- toYaml $copy.affinity | nindent 2 }}
{{- else if $needs }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            {{- toYaml $needs | nindent 12 }}
{{- end }}
{{- end -}}
