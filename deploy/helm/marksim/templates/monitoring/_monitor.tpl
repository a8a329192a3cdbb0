{{/* Metadata of a monitoring object, which may live in another namespace. Takes (list $ {values} name). */}}
{{- define "marksim.monitoringMetadata" -}}
{{- $root := index . 0 -}}
{{- $values := index . 1 -}}
{{- $metadata := include "marksim.metadata" (dict "root" $root "component" "monitoring" "name" (index . 2) "labels" $values.labels "annotations" $values.annotations) | fromYaml -}}
{{- with $values.namespace -}}
{{- $_ := set $metadata "namespace" . -}}
{{- end -}}
{{- toYaml $metadata -}}
{{- end -}}

{{/* One endpoint of a ServiceMonitor or PodMonitor. Takes (list $ {values}). */}}
{{- define "marksim.endpoint" -}}
{{- $values := index . 1 -}}
port: http
path: /metrics
interval: {{ $values.interval }}
{{- with $values.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
relabelings:
  # Dashboards and alerts rely on these, beside namespace and pod, which are there.
  - targetLabel: job
    replacement: marksim
  - sourceLabels: [__meta_kubernetes_pod_label_app_kubernetes_io_instance]
    targetLabel: release
  - sourceLabels: [__meta_kubernetes_pod_label_app_kubernetes_io_component]
    targetLabel: component
  {{- with $values.relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What selects the release's objects, of all components. */}}
{{- define "marksim.releaseLabels" -}}
app.kubernetes.io/name: {{ include "marksim.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}
