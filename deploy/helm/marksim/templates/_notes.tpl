{{/* Addresses of a component outside the cluster. Takes (dict "values" "scheme"), the scheme without TLS: "ws" or "http". */}}
{{- define "marksim.notedDoors" -}}
{{- $scheme := .scheme -}}
{{- $ingress := .values.ingress -}}
{{- $secured := list -}}
{{- range $ingress.tls -}}
{{- $secured = concat $secured (.hosts | default list) -}}
{{- end -}}
{{- if $ingress.enabled }}

By its Ingress:
{{ range $host := $ingress.hosts }}
{{- range $host.paths | default (list dict) }}
  {{ $scheme }}{{ ternary "s" "" (has $host.host $secured) }}://{{ $host.host }}{{ .path | default "/" }}
{{- end }}
{{- end }}
{{- end }}
{{- if .values.httpRoute.enabled }}

By its HTTPRoute, with {{ $scheme }} or {{ $scheme }}s as the gateway's listener has it:
{{ range .values.httpRoute.hostnames | default (list "<host of the gateway>") }}
  {{ $scheme }}://{{ . }}/
{{- end }}
{{- end }}
{{- end -}}

{{/* A command for each Service of type LoadBalancer; empty without any. Takes $. */}}
{{- define "marksim.loadBalancers" -}}
{{- $root := . -}}
{{- range $component := list "orderbook" "engine" "edge" "dashboard" "archiver" "memory" -}}
{{- $values := include "marksim.component" (list $root $component) | fromYaml -}}
{{- if and $values.enabled (eq $values.service.type "LoadBalancer") -}}
{{- $names := list (include "marksim.componentName" (list $root $component)) -}}
{{- if eq $component "engine" -}}
{{- $names = list -}}
{{- range (include "marksim.engines" $root | fromYaml).engines -}}{{- $names = append $names .name -}}{{- end -}}
{{- end -}}
{{- range $names }}
  kubectl -n {{ $root.Release.Namespace }} get svc {{ . }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether pods of the namespace are let to gRPC by the label of the default values; empty if not. Takes $. */}}
{{- define "marksim.grpcByLabel" -}}
{{- range .Values.networkPolicy.grpcClients -}}
{{- if and (not .namespaceSelector) .podSelector -}}
{{- if eq (toJson .podSelector.matchLabels) (toJson (dict "marksim.io/grpc-client" "true")) -}}true{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
