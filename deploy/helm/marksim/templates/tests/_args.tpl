{{/* Arguments of the release test: what this release has. */}}
{{- define "marksim.releaseTestArgs" -}}
- release-test
- --orderbook={{ join "," (include "marksim.shardAddresses" . | fromYaml).addresses }}
{{- if .Values.engine.enabled }}
{{- $engines := list }}
{{- range (include "marksim.engines" . | fromYaml).engines }}
{{- $engines = append $engines (include "marksim.engineAddress" (list $ .name)) }}
{{- end }}
- --engine={{ join "," $engines }}
{{- end }}
{{- if .Values.edge.enabled }}
- --edge=ws://{{ include "marksim.serviceAddress" (list . "edge" "websocket") }}/
{{- end }}
{{- if .Values.memory.enabled }}
- --memory=http://{{ include "marksim.serviceAddress" (list . "memory" "http") }}/
{{- end }}
{{- with .Values.tests.args }}
{{ toYaml . }}
{{- end }}
{{- end -}}
