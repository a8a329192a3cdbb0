{{/* Arguments of the release test: what this release has. */}}
{{- define "marksim.releaseTestArgs" -}}
- release-test
- --orderbook={{ join "," (include "marksim.shardAddresses" . | fromYaml).addresses }}
{{- $engines := list }}
{{- range (include "marksim.engines" . | fromYaml).engines }}
{{- $engines = append $engines (include "marksim.engineAddress" (list $ .name)) }}
{{- end }}
- --engine={{ join "," $engines }}
{{- /* An empty address leaves a step out; without the flag one on this pod would be meant. */}}
- --edge={{ if .Values.edge.enabled }}ws://{{ include "marksim.serviceAddress" (list . "edge" "websocket") }}/{{ end }}
- --memory={{ if .Values.memory.enabled }}http://{{ include "marksim.serviceAddress" (list . "memory" "http") }}/{{ end }}
{{- with .Values.tests.args }}
{{ toYaml . }}
{{- end }}
{{- end -}}
