"""The texts of the promotions, images and parity pages, and of the contract section."""

from collections.abc import Mapping

from gitops.status_page.texts.page_text import PageText

RELEASE_TEXTS: Mapping[str, PageText] = {
    # contract
    "contract": PageText("Contract", "契约"),
    "contract.broken": PageText(
        "This overlay violates the contract and is not synced. The previous release keeps running.",
        "违反契约，未同步；原有版本继续运行。",
    ),
    "contract.warned": PageText("This overlay violates the contract but is still synced.", "违反契约，但仍会同步。"),
    "contract.waived": PageText(
        "This release runs with exceptions. They are shown as long as it runs.",
        "此发布以豁免方式运行；运行期间始终显示。",
    ),
    # promotions
    "promotions.hint": PageText(
        "Waiting promotions, the gate that blocks each of them, and how to open it.",
        "等待晋级的内容、阻挡它的关卡，以及如何放行。",
    ),
    "promotions.calm": PageText("No promotion is waiting", "没有等待晋级的内容"),
    "promotions.waits": PageText("A promotion is waiting or an environment is on hold", "有晋级在等待，或有环境被暂停"),
    "queue.first": PageText(
        "New images arrive here by webhook or sweep; nothing is promoted to it.", "新镜像从此进入，无需晋级。"
    ),
    "queue.calm": PageText("Nothing is waiting.", "没有等待项。"),
    "request": PageText("Request", "请求"),
    "request.by": PageText("requested by", "请求者"),
    "request.by.unknown": PageText("unknown", "未知"),
    "request.signed": PageText("signed", "已签名"),
    "request.unsigned": PageText("not signed", "未签名"),
    "request.expires": PageText("expires at {time}", "{time} 失效"),
    "request.moves": PageText("Would change", "将变更"),
    "request.nothing": PageText("nothing", "无"),
    "request.gates": PageText("Blocked by", "被阻挡"),
    "request.skips": PageText("Skipped gates", "跳过的关卡"),
    "request.release": PageText("Release id", "审批所指发布"),
    "hold.title": PageText("On hold", "已暂停自动化"),
    "hold.over": PageText("Expired hold", "已结束的暂停"),
    "hold.by": PageText("by {who}", "由 {who}"),
    "hold.until": PageText("until {time}", "至 {time}"),
    "hold.endless": PageText("until it is resumed", "直到恢复"),
    "hold.suspend": PageText("syncing is suspended too", "同步也已暂停"),
    "waived": PageText("Waived", "已豁免"),
    "waived.unnamed": PageText("all gates", "全部关卡"),
    "waived.image": PageText("proof of image {id}", "镜像 {id} 的验证"),
    "waived.base": PageText("proof of base {id}", "base {id} 的验证"),
    "timeline": PageText("Timeline", "时间线"),
    "timeline.caption": PageText(
        "Promotions, rollbacks and holds recorded in git, newest first", "git 中记录的晋级、回滚与暂停，最新的在前"
    ),
    "timeline.none": PageText("There are no promotions, rollbacks or holds yet.", "尚无晋级、回滚或暂停记录。"),
    "timeline.what": PageText("Action", "操作"),
    "timeline.said": PageText("Commit", "提交"),
    "timeline.images": PageText("New images", "新镜像"),
    "timeline.evidence": PageText("Evidence", "依据"),
    "environment": PageText("Environment", "环境"),
    "commit.by": PageText("by {who}", "由 {who}"),
    "evidence.from": PageText("from {environment}", "来自 {environment}"),
    "evidence.since": PageText("proven since {time}", "自 {time} 起验证"),
    "evidence.scan": PageText("scan found {severity}", "漏洞扫描结果 {severity}"),
    "evidence.scans": PageText("scan found:", "漏洞扫描结果："),
    "evidence.approved": PageText("approved by {who}", "审批人 {who}"),
    "evidence.request": PageText("request {id}", "请求 {id}"),
    "deed.image": PageText("pushed", "推送"),
    "deed.promotion": PageText("promoted", "晋级"),
    "deed.rollback": PageText("rolled back", "回滚"),
    "deed.hold": PageText("held", "暂停"),
    "deed.resume": PageText("resumed", "恢复"),
    "deed.release": PageText("release written by hand", "手工写入发布"),
    "past.reading": PageText(
        "The git history is being read; it appears here when this is done.", "正在读取 git 历史，完成后自动显示。"
    ),
    # images
    "images.of": PageText("Images of {service}", "{service} 的镜像"),
    "images.hint": PageText(
        "The source of each image, the environments it reached and where it runs now, newest first.",
        "每个镜像的来源、到达的环境与当前所在，最新的在前。",
    ),
    "images.none": PageText(
        "Neither git nor the ledger has an image of this service yet.", "git 与台账中尚无该服务的镜像。"
    ),
    "images.more": PageText("{count} older images are not shown.", "另有 {count} 个较旧的镜像未显示。"),
    "images.now": PageText("Now in", "当前位于"),
    "images.nowhere": PageText("not deployed now", "当前不在任何环境"),
    "images.path": PageText("Environments reached", "流转"),
    "images.unknown": PageText(
        "The commits that were read do not tell how this image arrived.", "已读取的提交中没有它的来历。"
    ),
    "images.pushed": PageText("pushed {ago}", "{ago}推送"),
    "images.source": PageText("built from {revision}", "构建自 {revision}"),
    "images.version": PageText("version {version}", "版本 {version}"),
    "images.built": PageText("built {ago}", "{ago}构建"),
    "images.label": PageText("Source repository in its labels: {source}", "镜像标签注明的源码仓库：{source}"),
    "pushes": PageText("Pushed commits without an image", "已推送，尚无镜像"),
    "pushes.at": PageText("no image names this commit yet; pushed {ago}", "尚无镜像注明由它构建；{ago}推送"),
    "pushes.hint": PageText(
        "From webhooks that this replica received since it started, so the list may be incomplete.",
        "来自本副本启动以来收到的 webhook，可能不完整。",
    ),
    "images.rejected": PageText(
        "rolled back in {overlay}, not promoted there again", "已在 {overlay} 回滚，不会再晋级到那里"
    ),
    "images.was_rejected": PageText("was rolled back in {overlay}", "曾在 {overlay} 回滚"),
    # parity
    "parity.hint": PageText(
        "Two environments may differ only in declared ways. Choose two to see each difference.",
        "两个环境只允许存在已声明的差异。选择两个环境以查看每项差异。",
    ),
    "parity.pair": PageText("{a} and {b}", "{a} 与 {b}"),
    "parity.none": PageText("There are no two environments to compare yet.", "尚无可比较的两个环境。"),
    "parity.equal": PageText("They differ only in declared ways", "仅存在已声明的差异"),
    "parity.unequal": PageText("They differ in undeclared ways", "存在未声明的差异"),
    "parity.unknown": PageText("Not compared yet", "尚未比较"),
    "parity.left": PageText("First", "第一个"),
    "parity.right": PageText("Second", "第二个"),
    "parity.swap": PageText("swap", "互换"),
    "parity.working": PageText(
        "The comparison started {ago}. The result appears here when it is ready.",
        "正在比较（{ago}开始），完成后自动显示。",
    ),
    "parity.older": PageText(
        "The trunk has changed; a new comparison started {ago}.", "主干已更新，正在重新比较（{ago}开始）。"
    ),
    "parity.waiting": PageText(
        "Other comparisons are queued first. This page asks again.", "其他比较排队在先，本页会自动重试。"
    ),
    "parity.as_of": PageText("as of", "基于"),
    "parity.trouble": PageText("They cannot be compared, so they may differ:", "无法比较，因此可能存在差异："),
    "parity.commits": PageText("Base commits that were not promoted to {b} yet", "尚未晋级到 {b} 的 base 提交"),
    "parity.left_out": PageText("{count} more differences are not listed.", "另有 {count} 项差异未列出。"),
    "parity.rule": PageText("Declared by", "声明规则"),
    "parity.becomes": PageText("{b} after the promotion", "晋级后的 {b}"),
    "parity.has": PageText("{b} now", "当前的 {b}"),
    "parity.whole": PageText("the whole object", "整个对象"),
    "standing.undeclared": PageText("undeclared", "未声明"),
    "standing.pending": PageText("pending", "待晋级"),
    "standing.declared": PageText("declared", "已声明"),
    "standing.undeclared.hint": PageText(
        "No variation declares these differences. Declare a variation, or remove the difference.",
        "没有差异声明（variation）允许这些差异。请添加声明或消除差异。",
    ),
    "standing.pending.hint": PageText(
        "The next promotion from {a} brings these changes to {b}.", "下次从 {a} 晋级时 {b} 将获得这些变更。"
    ),
    "standing.declared.hint": PageText(
        "A variation in pipeline.yaml declares these differences.",
        "pipeline.yaml 中的差异声明（variation）允许这些差异。",
    ),
}
