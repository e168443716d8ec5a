"""Every word of the page in English and Chinese. The field's words (Synced, Degraded...) stay as they are, in both.

What comes from git and the cluster (messages, names, reasons without an entry here) is shown in its own words.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Text(NamedTuple):
    en: str
    zh: str


TEXTS: Mapping[str, Text] = {
    # frame
    "title": Text("status", "状态"),
    "skip": Text("Skip to content", "跳到正文"),
    "language": Text("中文", "English"),
    "overview": Text("Overview", "总览"),
    "leader": Text("leader", "主副本"),
    "follower": Text("follower", "从副本"),
    "leader.hint": Text("This replica does the work.", "当前副本负责同步。"),
    "follower.hint": Text(
        "Another replica does the work; this one shows it.", "由其他副本负责同步，本副本只展示结果。"
    ),
    "head.since": Text("seen {ago}", "{ago}获取"),
    "head.none": Text("not fetched yet", "尚未拉取"),
    "as_of": Text("As of {time}", "数据时间 {time}"),
    "live": Text("Live", "实时"),
    "lost": Text(
        "No answer from the controller. What you see is from {time} and may be out of date.",
        "控制器无响应。当前内容为 {time} 的数据，可能已过期。",
    ),
    "read_only": Text("Read-only. Changes are made in git.", "只读页面，一切变更通过 git 进行。"),
    "json": Text("This page as JSON", "本页 JSON"),
    # troubles
    "trouble.PushRefused": Text("The config repo refuses our pushes", "配置仓库拒绝推送"),
    "trouble.RemoteUnreachable": Text("The config repo cannot be reached", "无法连接配置仓库"),
    "trouble.TrunkGone": Text("The trunk of the config repo is gone", "配置仓库的主干分支已不存在"),
    "trouble.WatchFailing": Text("The cluster cannot be watched", "无法监听集群变化"),
    "trouble.InvalidPipeline": Text(
        "pipeline.yaml is not valid; the last valid one is used", "pipeline.yaml 无效，沿用上一个有效版本"
    ),
    "trouble.since": Text("since {ago}", "{ago}开始"),
    # overview
    "summary.ok": Text("Everything is Synced and Healthy", "全部已同步（Synced）且健康（Healthy）"),
    "summary.busy": Text("Changes are rolling out", "变更正在发布"),
    "summary.warn": Text("Something differs from git", "有内容与 git 不一致"),
    "summary.bad": Text("Something needs a person", "有问题需要处理"),
    "summary.off": Text("Nothing has been synced yet", "尚未同步任何环境"),
    "summary.counts": Text(
        "{environments} environments · {services} services · {overlays} overlays",
        "{environments} 个环境 · {services} 个服务 · {overlays} 个 overlay",
    ),
    "attention.more": Text("and {count} more, below", "另有 {count} 条，见下文"),
    "services": Text("Services", "服务"),
    "service": Text("Service", "服务"),
    "matrix.caption": Text("Which image runs in which environment", "各环境正在运行的镜像"),
    "stage.first": Text("follows the registry and the trunk", "跟随镜像仓库与主干"),
    "stage.after": Text("after {environment}", "在 {environment} 之后"),
    "stage.none": Text("not reconciled yet", "尚未同步"),
    "stage.observes": Text("observe only, writes nothing", "仅观察，不写入"),
    "stage.when.proven": Text("moves on by itself when proven", "验证通过后自动晋级"),
    "stage.when.requested": Text("moves on when asked for", "按请求晋级"),
    "stage.soak": Text("proven = {time} Healthy", "验证 = 健康运行 {time}"),
    "stage.scan": Text("scan up to {severity}", "漏洞不高于 {severity}"),
    "stage.approvals": Text("approvals: {count}", "审批：{count}"),
    "stage.windows": Text("in windows", "限定时段"),
    "stage.rollback": Text("goes back by itself when Degraded within {time}", "{time} 内异常（Degraded）则自动回滚"),
    "cell.none": Text("not deployed", "未部署"),
    "cell.untagged": Text("no tag", "无标签"),
    "cell.unpinned": Text("not pinned", "未固定摘要"),
    "cell.differs": Text("differs from {environment}", "与 {environment} 不同"),
    "cell.overlay_health": Text("health of the whole overlay", "为整个 overlay 的健康状态"),
    "overlays": Text("Overlays", "Overlay"),
    "overlays.none": Text(
        "No overlay has been reconciled yet. The first pass starts when the config repo has been fetched.",
        "尚无 overlay 完成同步。拉取配置仓库后即开始首次同步。",
    ),
    "card.revision": Text("Revision", "版本"),
    "card.since": Text("since {ago}", "{ago}开始"),
    "card.objects": Text("Objects", "对象"),
    "card.last": Text("Last change", "最近变更"),
    "card.waiting": Text("Waiting", "等待中"),
    "card.drifted": Text("drifted: {count}", "漂移：{count}"),
    # overlay
    "overlay.environment": Text("environment {environment}", "环境 {environment}"),
    "conditions": Text("Conditions", "状况（Conditions）"),
    "condition": Text("Condition", "状况"),
    "reason": Text("Reason", "原因"),
    "message": Text("Message", "说明"),
    "since": Text("Since", "起始"),
    "yes": Text("True", "True 是"),
    "no": Text("False", "False 否"),
    "revisions": Text("Revisions", "版本"),
    "revision.observed": Text("Observed", "已获取"),
    "revision.rendered": Text("Rendered", "已渲染"),
    "revision.applied": Text("Applied", "已应用"),
    "revision.healthy": Text("Healthy", "已健康"),
    "revision.observed.hint": Text("what git asks for", "git 所要求的"),
    "revision.rendered.hint": Text("last built", "最近一次构建"),
    "revision.applied.hint": Text("in the cluster", "集群中的"),
    "revision.healthy.hint": Text("last seen Healthy as a whole", "最近一次整体健康"),
    "revision.none": Text("none yet", "暂无"),
    "revision.behind": Text("differs", "不同"),
    "images": Text("Images", "镜像"),
    "image": Text("Image", "镜像"),
    "objects": Text("Objects", "对象"),
    "objects.caption": Text("Objects of this overlay, the most urgent first", "本 overlay 的对象，最紧急的在前"),
    "objects.none": Text("This overlay has no objects in the cluster yet.", "本 overlay 在集群中尚无对象。"),
    "objects.more": Text(
        "{count} more objects, all Synced and Healthy or less urgent, are not shown.",
        "另有 {count} 个较不紧急的对象未显示。",
    ),
    "kind": Text("Kind", "类型"),
    "object": Text("Object", "对象"),
    "sync": Text("Sync", "同步"),
    "health": Text("Health", "健康"),
    "action": Text("Last action", "最近操作"),
    "changes": Text("Fields in the last plan: {count}", "最近计划涉及的字段：{count}"),
    "changes.more": Text("{count} more fields", "另有 {count} 个字段"),
    "change.absent": Text("absent", "无"),
    "change.old": Text("before", "变更前"),
    "change.new": Text("after", "变更后"),
    "drift": Text("Drift", "漂移"),
    "drift.caption": Text(
        "Fields that differ from git though the revision did not change", "版本未变但与 git 不一致的字段"
    ),
    "drift.none": Text("Nothing was changed outside git.", "没有绕过 git 的修改。"),
    "drift.field": Text("Field", "字段"),
    "drift.manager": Text("By whom", "修改者"),
    "drift.kind": Text("How", "方式"),
    "drift.at": Text("When", "时间"),
    "drift.unknown": Text("unknown", "未知"),
    "drift.kind.changed": Text("changed a field of ours", "改动了受管字段"),
    "drift.kind.deleted": Text("deleted it", "删除了对象"),
    "drift.kind.healed": Text("changed outside git; undone", "绕过 git 的修改；已恢复"),
    "drift.kind.foreign": Text("added a field of its own", "添加了额外字段"),
    "history": Text("History", "历史"),
    "history.caption": Text("What changed in this overlay, newest first", "本 overlay 的变更记录，最新的在前"),
    "history.none": Text("No history yet.", "暂无历史。"),
    "history.when": Text("When", "时间"),
    "history.actions": Text("Actions", "操作"),
    "took": Text("Time of the last pass that changed something", "最近一次有变更的同步耗时"),
    # words of the field
    "word.Synced": Text("", "已同步"),
    "word.OutOfSync": Text("", "未同步"),
    "word.Unknown": Text("", "未知"),
    "word.Healthy": Text("", "健康"),
    "word.Suspended": Text("", "已暂停"),
    "word.Progressing": Text("", "进行中"),
    "word.Missing": Text("", "缺失"),
    "word.Degraded": Text("", "异常"),
    "word.Stalled": Text("", "已停滞"),
    "word.Drifted": Text("", "已漂移"),
    "word.Ready": Text("", "就绪"),
    "word.Reconciling": Text("", "同步中"),
    "action.created": Text("", "已创建"),
    "action.configured": Text("", "已更新"),
    "action.unchanged": Text("", "无变化"),
    "action.pruned": Text("", "已清除"),
    "action.skipped": Text("", "已跳过"),
    "action.failed": Text("", "失败"),
    # times
    "ago.now": Text("just now", "刚刚"),
    "ago.s": Text("{n} s ago", "{n} 秒前"),
    "ago.m": Text("{n} min ago", "{n} 分钟前"),
    "ago.h": Text("{n} h ago", "{n} 小时前"),
    "ago.d": Text("{n} d ago", "{n} 天前"),
    # errors
    "absent": Text("There is nothing here", "此处没有内容"),
    "absent.hint": Text(
        "The overlay may have been renamed or removed in git. The overview lists all there are.",
        "该 overlay 可能已在 git 中改名或删除。总览中列出了全部 overlay。",
    ),
    "unavailable": Text("The status cannot be read right now", "暂时无法读取状态"),
    "unavailable.hint": Text(
        "What runs in the cluster is not affected. This page tries again.", "集群中运行的服务不受影响，本页会重试。"
    ),
    # pages
    "pages": Text("Pages", "页面"),
    "promotions": Text("Promotions", "晋级"),
    "parity": Text("Parity", "一致性"),
    # contract
    "contract": Text("Contract", "契约"),
    "contract.broken": Text(
        "It breaks the contract and is not synced; what ran before goes on.", "违反契约，未同步；原有版本继续运行。"
    ),
    "contract.warned": Text("It breaks the contract, though it was let in.", "违反契约，但已被放行。"),
    "contract.waived": Text(
        "It runs by exception; this is shown for as long as the release runs.",
        "以豁免方式运行；此发布在运行期间始终显示。",
    ),
    # promotions
    "promotions.hint": Text(
        "What waits to move on, which gate holds it, and what opens the gate.",
        "等待晋级的内容、阻挡它的关卡，以及如何放行。",
    ),
    "promotions.calm": Text("Nothing waits for a promotion", "没有等待晋级的内容"),
    "promotions.waits": Text("Something waits or is held", "有内容在等待或被暂停"),
    "queue.first": Text("New images enter here; nothing is promoted to it.", "新镜像从此进入，无需晋级。"),
    "queue.calm": Text("Nothing waits.", "没有等待项。"),
    "request": Text("Request", "请求"),
    "request.by": Text("asked for by", "请求者"),
    "request.by.unknown": Text("somebody unknown", "未知"),
    "request.signed": Text("signed", "已签名"),
    "request.unsigned": Text("not signed", "未签名"),
    "request.expires": Text("given up at {time}", "{time} 失效"),
    "request.moves": Text("Would move", "将变更"),
    "request.nothing": Text("nothing", "无"),
    "request.gates": Text("Held by", "被阻挡"),
    "request.skips": Text("Skips by name", "点名跳过"),
    "request.release": Text("Approvals name release", "审批所指发布"),
    "hold.title": Text("Held", "已暂停自动化"),
    "hold.over": Text("Hold that is over", "已结束的暂停"),
    "hold.by": Text("by {who}", "由 {who}"),
    "hold.until": Text("until {time}", "至 {time}"),
    "hold.endless": Text("until somebody resumes it", "直到有人恢复"),
    "hold.suspend": Text("nothing is applied either", "同时停止应用"),
    "waived": Text("Waived", "已豁免"),
    "waived.unnamed": Text("all gates", "全部关卡"),
    "waived.image": Text("proof of image {id}", "镜像 {id} 的验证"),
    "waived.base": Text("proof of base {id}", "base {id} 的验证"),
    "timeline": Text("Timeline", "时间线"),
    "timeline.caption": Text(
        "What was promoted, rolled back and held, newest first, as git tells it",
        "git 中记录的晋级、回滚与暂停，最新的在前",
    ),
    "timeline.none": Text("Nothing was promoted, rolled back or held yet.", "尚无晋级、回滚或暂停记录。"),
    "timeline.what": Text("What", "操作"),
    "timeline.said": Text("Commit", "提交"),
    "timeline.images": Text("New images", "新镜像"),
    "timeline.evidence": Text("Evidence", "依据"),
    "environment": Text("Environment", "环境"),
    "commit.by": Text("by {who}", "由 {who}"),
    "evidence.from": Text("from {environment}", "来自 {environment}"),
    "evidence.since": Text("proven since {time}", "自 {time} 起验证"),
    "evidence.approved": Text("approved by {who}", "审批人 {who}"),
    "evidence.request": Text("request {id}", "请求 {id}"),
    "deed.image": Text("pushed", "推送"),
    "deed.promotion": Text("promoted", "晋级"),
    "deed.rollback": Text("rolled back", "回滚"),
    "deed.hold": Text("held", "暂停"),
    "deed.resume": Text("resumed", "恢复"),
    "deed.release": Text("release written by hand", "手工写入发布"),
    "past.reading": Text(
        "What git tells of the past is being read; this page shows it by itself.",
        "正在读取 git 历史，完成后自动显示。",
    ),
    # images
    "images.of": Text("Images of {service}", "{service} 的镜像"),
    "images.hint": Text(
        "Where each came from, which environments it reached, and where it is now. The newest first.",
        "每个镜像的来源、到达的环境与当前所在，最新的在前。",
    ),
    "images.none": Text("Neither git nor the ledger knows an image of it yet.", "git 与台账中尚无其镜像。"),
    "images.more": Text("{count} older images are not shown.", "另有 {count} 个较旧的镜像未显示。"),
    "images.now": Text("Now in", "当前位于"),
    "images.nowhere": Text("nowhere now", "当前不在任何环境"),
    "images.path": Text("Its way", "流转"),
    "images.unknown": Text("How it came in is not in the commits that are remembered.", "已记录的提交中没有它的来历。"),
    "images.pushed": Text("pushed {ago}", "{ago}推送"),
    "images.source": Text("built from {revision}", "构建自 {revision}"),
    "images.rejected": Text("rolled back, does not come again in {overlay}", "已回滚，不会再进入 {overlay}"),
    "images.was_rejected": Text("was rolled back in {overlay}", "曾在 {overlay} 回滚"),
    # parity
    "parity.hint": Text(
        "Two environments may differ only in what was declared. Choose two to see each difference.",
        "两个环境只允许存在已声明的差异。选择两个环境以查看每项差异。",
    ),
    "parity.pair": Text("{a} and {b}", "{a} 与 {b}"),
    "parity.none": Text("There are no two environments to compare yet.", "尚无可比较的两个环境。"),
    "parity.equal": Text("They differ only in what was declared", "仅存在已声明的差异"),
    "parity.unequal": Text("They differ in what nobody declared", "存在未声明的差异"),
    "parity.unknown": Text("Not compared yet", "尚未比较"),
    "parity.left": Text("First", "第一个"),
    "parity.right": Text("Second", "第二个"),
    "parity.swap": Text("the other way round", "互换"),
    "parity.working": Text(
        "This is being worked out, since {ago}. The page shows it by itself.", "正在比较（{ago}开始），完成后自动显示。"
    ),
    "parity.older": Text(
        "The trunk has moved on; the newest is being worked out, since {ago}.",
        "主干已更新，正在重新比较（{ago}开始）。",
    ),
    "parity.waiting": Text(
        "Other comparisons come first; this page asks again by itself.", "其他比较优先，本页会自动重试。"
    ),
    "parity.as_of": Text("as of", "基于"),
    "parity.trouble": Text(
        "They cannot be compared, so nobody knows that they are equal:", "无法比较，因此无法确认一致："
    ),
    "parity.commits": Text("Commits of base that {b} has not been given yet", "{b} 尚未获得的 base 提交"),
    "parity.left_out": Text("{count} more differences are not listed.", "另有 {count} 项差异未列出。"),
    "parity.rule": Text("Declared by", "声明规则"),
    "parity.becomes": Text("{b} after the promotion", "晋级后的 {b}"),
    "parity.has": Text("{b} now", "当前的 {b}"),
    "parity.whole": Text("the whole object", "整个对象"),
    "standing.undeclared": Text("undeclared", "未声明"),
    "standing.pending": Text("pending", "待晋级"),
    "standing.declared": Text("declared", "已声明"),
    "standing.undeclared.hint": Text(
        "No variation allows these. Declare a variation, or take the difference out.",
        "没有规则允许这些差异。请声明规则或消除差异。",
    ),
    "standing.pending.hint": Text(
        "{b} gets these with the next promotion from {a}.", "下次从 {a} 晋级时 {b} 将获得这些变更。"
    ),
    "standing.declared.hint": Text(
        "A variation of pipeline.yaml allows these.", "pipeline.yaml 中的规则允许这些差异。"
    ),
}
"""An empty English text means that the word itself is the text."""
