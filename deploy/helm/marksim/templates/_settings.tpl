{{/*
Settings of each component: the YAML file that its service reads with --config. Flags (`args`) and environment variables
(`extraEnv`) go before it.
*/}}

{{/* What every service has, with the component's own `settings` over it. Takes (dict "root" "component" "own"). */}}
{{- define "marksim.settings" -}}
{{- $component := include "marksim.component" (list .root .component) | fromYaml -}}
{{- $ports := include "marksim.ports" .component | fromYaml -}}
{{- $common := dict
  "host" .root.Values.host
  "grpc_port" $ports.grpc
  "http_port" $ports.http
  "grace_s" $component.graceSeconds
  "log_level" .root.Values.log.level
  "log_format" .root.Values.log.format
-}}
{{- with $ports.websocket | default $ports.page -}}
{{- $_ := set $common "port" . -}}
{{- end -}}
{{- toYaml (merge $component.settings (.own | default dict) $common) -}}
{{- end -}}

{{/* What books and engines must agree on. Takes $. */}}
{{- define "marksim.scenario" -}}
scenario: {{ ternary "/etc/marksim/scenario/scenario.yaml" .Values.scenario.name (ne .Values.scenario.inline "") }}
set: {{ toJson .Values.scenario.set }}
{{- end -}}

{{- define "marksim.orderbookSettings" -}}
{{- $own := include "marksim.scenario" . | fromYaml -}}
{{- $_ := set $own "shards" .Values.orderbook.shards -}}
{{- $_ := set $own "shard" "auto" -}}
{{- with .Values.orderbook.assign -}}
{{- $_ := set $own "assign" . -}}
{{- end -}}
{{- $_ := set $own "journal" "/journal" -}}
{{- $_ := set $own "durability" .Values.orderbook.durability -}}
{{- /* Another scenario, sharding or grouping is another run; a pod that only starts again goes on with the one it was in. */ -}}
{{- $_ := set $own "new_run" (include "marksim.scenarioChecksum" . | trunc 16) -}}
{{- include "marksim.settings" (dict "root" . "component" "orderbook" "own" $own) -}}
{{- end -}}

{{/* Takes (list $ {one of marksim.engines}). */}}
{{- define "marksim.engineSettings" -}}
{{- $root := index . 0 -}}
{{- $engine := index . 1 -}}
{{- $own := include "marksim.scenario" $root | fromYaml -}}
{{- $_ := set $own "orderbook" $engine.addresses -}}
{{- $_ := set $own "state" "/state" -}}
{{- with $engine.symbols -}}
{{- $_ := set $own "symbols" . -}}
{{- end -}}
{{- if not (kindIs "invalid" $root.Values.scenario.seed) -}}
{{- $_ := set $own "seed" (kindIs "string" $root.Values.scenario.seed | ternary $root.Values.scenario.seed (int64 $root.Values.scenario.seed)) -}}
{{- end -}}
{{- if ne (toString $root.Values.scenario.speed) "" -}}
{{- $_ := set $own "speed" (toString $root.Values.scenario.speed) -}}
{{- end -}}
{{- include "marksim.settings" (dict "root" $root "component" "engine" "own" $own) -}}
{{- end -}}

{{- define "marksim.edgeSettings" -}}
{{- $own := dict "orderbook" (include "marksim.shardAddresses" . | fromYaml).addresses -}}
{{- include "marksim.settings" (dict "root" . "component" "edge" "own" $own) -}}
{{- end -}}

{{- define "marksim.archiverSettings" -}}
{{- $own := dict "orderbook" (include "marksim.shardAddresses" . | fromYaml).addresses "dir" "/archive" -}}
{{- include "marksim.settings" (dict "root" . "component" "archiver" "own" $own) -}}
{{- end -}}

{{- define "marksim.feed" -}}
{{- .Values.dashboard.feed | default (printf "ws://%s/" (include "marksim.serviceAddress" (list . "edge" "websocket"))) -}}
{{- end -}}

{{- define "marksim.dashboardSettings" -}}
{{- include "marksim.settings" (dict "root" . "component" "dashboard" "own" (dict "feed" (include "marksim.feed" .))) -}}
{{- end -}}

{{/* Every pod: shards by their number, what scales out by the addresses behind its headless Service. */}}
{{- define "marksim.memorySettings" -}}
{{- $targets := dict -}}
{{- if .Values.orderbook.enabled -}}
{{- range $shard := until (int .Values.orderbook.shards) -}}
{{- $_ := set $targets (printf "orderbook-%d" $shard) (include "marksim.shardAddress" (list $ $shard)) -}}
{{- end -}}
{{- end -}}
{{- if .Values.engine.enabled -}}
{{- range (include "marksim.engines" . | fromYaml).engines -}}
{{- $_ := set $targets (ternary (printf "engine-%s" .key) "engine" (ne .key "")) (include "marksim.engineAddress" (list $ .name)) -}}
{{- end -}}
{{- end -}}
{{- if .Values.archiver.enabled -}}
{{- $_ := set $targets "archiver" (include "marksim.podsAddress" (list . "archiver")) -}}
{{- end -}}
{{- range $component := list "edge" "dashboard" -}}
{{- if (index $.Values $component).enabled -}}
{{- $_ := set $targets $component (printf "dns:%s" (include "marksim.podsAddress" (list $ $component))) -}}
{{- end -}}
{{- end -}}
{{- include "marksim.settings" (dict "root" . "component" "memory" "own" (dict "targets" $targets)) -}}
{{- end -}}

{{/* Changes whenever books and engines must begin a new run together. Takes $. */}}
{{- define "marksim.scenarioChecksum" -}}
{{- dict "newRun" .Values.newRun "scenario" .Values.scenario "shards" .Values.orderbook.shards "assign" .Values.orderbook.assign "groups" .Values.engine.groups | toJson | sha256sum -}}
{{- end -}}
